/** How to point the official clients of each system at this server. */
import { randomUUID } from 'node:crypto';
import { copyable, escapeHtml, page } from './page.ts';
import { qrCode } from './qr-code.ts';

/** Pages by path, each made from the server's address. */
export const CLIENT_PAGES: Readonly<
  Record<string, (serverUrl: string) => string | Promise<string>>
> = {
  '/': startPage,
  '/linux': linuxPage,
  '/apple': applePage,
  '/windows': windowsPage,
  '/android': androidPage,
};

const BY_HAND = `<p>It shows a link. Open it: the page behind it has a command for whoever runs this server, and the device is
in as soon as that was run. Whoever was given a key needs no page:</p>`;

async function startPage(serverUrl: string): Promise<string> {
  return page(
    'Join this network',
    `<p>This is a coordination server for Tailscale's own clients. Which device is it?</p>
<nav><a href="/linux">Linux</a><a href="/apple">Mac, iPhone, iPad</a><a href="/windows">Windows</a><a href="/android">Android</a></nav>
<p>Wherever there is a terminal, once the client is installed:</p>
${copyable(`tailscale up --login-server ${serverUrl}`)}
${await addressToScan(serverUrl)}`,
  );
}

function linuxPage(serverUrl: string): string {
  return page(
    'Linux',
    `<p>Install the official client, from <a href="https://tailscale.com/download/linux">Tailscale</a> or your
distribution, then run:</p>
${copyable(`sudo tailscale up --login-server ${serverUrl}`)}
${BY_HAND}
${copyable(`sudo tailscale up --login-server ${serverUrl} --auth-key KEY`)}
<h2>Once it is in</h2>
<p>Who else is here:</p>
${copyable('tailscale status')}
<p>Linux takes no subnets of other devices unless told to:</p>
${copyable('sudo tailscale set --accept-routes')}
<h2>A device of another network</h2>
<p>Log in here as a second account; <code>tailscale switch</code> changes between them:</p>
${copyable(`sudo tailscale login --login-server ${serverUrl}`)}
<h2>A container</h2>
<p>Tailscale's image takes the address and a key from its environment:</p>
${copyable(`TS_EXTRA_ARGS=--login-server=${serverUrl}\nTS_AUTHKEY=KEY`)}`,
  );
}

function windowsPage(serverUrl: string): string {
  return page(
    'Windows',
    `<p>Install the official client, then run in a terminal:</p>
${copyable(`tailscale login --login-server ${serverUrl}`)}
<p>To make it the default for every user of the machine, before the first login, in an administrator's PowerShell:</p>
${copyable(
  `New-Item -Path "HKLM:\\SOFTWARE\\Tailscale IPN" -Force; New-ItemProperty -Path 'HKLM:\\SOFTWARE\\Tailscale IPN' -Name LoginURL -PropertyType String -Value ${serverUrl}`,
)}
<p><small>Restart the Tailscale service afterwards.</small></p>`,
  );
}

async function androidPage(serverUrl: string): Promise<string> {
  return page(
    'Android',
    `<ol>
<li>Install Tailscale from Google Play or F-Droid.</li>
<li>Open it, and the settings in the upper right corner; there <em>Accounts</em>.</li>
<li>In the menu of three dots choose <em>Use an alternate server</em>, enter this address, and log in:</li>
</ol>
${copyable(serverUrl)}
<p>A page opens. It has a command for whoever runs this server, and the phone is in as soon as that was run. Whoever was
given a key enters the address first, and then the key, under <em>Use an auth key</em> of the same menu.</p>
<p>A network of your own wants to stay connected: switch on <em>Always-on VPN</em> for Tailscale in Android's own VPN
settings.</p>
${await addressToScan(serverUrl)}`,
  );
}

async function applePage(serverUrl: string): Promise<string> {
  return page(
    'Mac, iPhone, iPad',
    `<p>On a Mac with the command line tool:</p>
${copyable(`tailscale login --login-server ${serverUrl}`)}
<p>In the macOS app: hold Option, click the menu bar icon, and under <em>Debug</em> choose <em>Add Account…</em> with this address:</p>
${copyable(serverUrl)}
<p>On an iPhone or iPad: open the app's account menu, choose <em>Use a custom coordination server</em>, and enter the same address.</p>
<p>Or install a profile that sets it, then open the app and log in:</p>
<ul>
<li><a href="/apple/macos-standalone">macOS, stand-alone app</a></li>
<li><a href="/apple/macos-app-store">macOS, App Store</a></li>
<li><a href="/apple/ios">iOS</a></li>
</ul>
<p><small>A profile changes settings of the device. Read it before you install it.</small></p>
${await addressToScan(serverUrl)}`,
  );
}

/** The variants of the Apple client, by the last part of their path. */
export const APPLE_VARIANTS = {
  ios: 'io.tailscale.ipn.ios',
  'macos-app-store': 'io.tailscale.ipn.macos',
  'macos-standalone': 'io.tailscale.ipn.macsys',
} as const;
export type AppleVariant = keyof typeof APPLE_VARIANTS;

/** `/apple/<variant>`: a configuration profile, application/x-apple-aspen-config. */
export function appleProfile(variant: AppleVariant, serverUrl: string): string {
  const type = APPLE_VARIANTS[variant];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadUUID</key><string>${randomUUID()}</string>
  <key>PayloadDisplayName</key><string>malla (${escapeHtml(serverUrl)})</string>
  <key>PayloadDescription</key><string>Points Tailscale at ${escapeHtml(serverUrl)}</string>
  <key>PayloadIdentifier</key><string>malla.${type}</string>
  <key>PayloadRemovalDisallowed</key><false/>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>${type}</string>
      <key>PayloadUUID</key><string>${randomUUID()}</string>
      <key>PayloadIdentifier</key><string>malla.${type}.login</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadEnabled</key><true/>
      <key>ControlURL</key><string>${escapeHtml(serverUrl)}</string>
    </dict>
  </array>
</dict>
</plist>
`;
}

/** For a phone that is to open this page, or to have the address without typing it. */
async function addressToScan(serverUrl: string): Promise<string> {
  return `<figure>${await qrCode(serverUrl, `QR code of ${serverUrl}`)}
<figcaption><small>The address of this server, <code>${escapeHtml(serverUrl)}</code>, for the camera of a phone.</small></figcaption></figure>`;
}
