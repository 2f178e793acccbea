/** How to point the official clients of each system at this server. */
import { randomUUID } from 'node:crypto';
import { escapeHtml, page } from './page.ts';

/** The start page. */
export function startPage(serverUrl: string): string {
  return page(
    'malla',
    `<p>This is a coordination server for Tailscale clients. To join it:</p>
<pre><code>tailscale up --login-server ${escapeHtml(serverUrl)}</code></pre>
<p>Set-up for <a href="/apple">macOS and iOS</a> and for <a href="/windows">Windows</a>.</p>`,
  );
}

/** `/windows`. */
export function windowsPage(serverUrl: string): string {
  return page(
    'Windows',
    `<p>Install the official client, then run in a terminal:</p>
<pre><code>tailscale login --login-server ${escapeHtml(serverUrl)}</code></pre>
<p>To make it the default for every user of the machine, before the first login, in an administrator's PowerShell:</p>
<pre><code>New-Item -Path "HKLM:\\SOFTWARE\\Tailscale IPN" -Force; New-ItemProperty -Path 'HKLM:\\SOFTWARE\\Tailscale IPN' -Name LoginURL -PropertyType String -Value ${escapeHtml(serverUrl)}</code></pre>
<p><small>Restart the Tailscale service afterwards.</small></p>`,
  );
}

/** The variants of the Apple client, by the last part of their path. */
export const APPLE_VARIANTS = {
  ios: 'io.tailscale.ipn.ios',
  'macos-app-store': 'io.tailscale.ipn.macos',
  'macos-standalone': 'io.tailscale.ipn.macsys',
} as const;
export type AppleVariant = keyof typeof APPLE_VARIANTS;

/** `/apple`. */
export function applePage(serverUrl: string): string {
  return page(
    'macOS and iOS',
    `<p>On a Mac with the command line tool:</p>
<pre><code>tailscale login --login-server ${escapeHtml(serverUrl)}</code></pre>
<p>In the macOS app: hold Option, click the menu bar icon, and under <em>Debug</em> choose <em>Add Account…</em> with this address:</p>
<pre><code>${escapeHtml(serverUrl)}</code></pre>
<p>On an iPhone or iPad: open the app's account menu, choose <em>Use a custom coordination server</em>, and enter the same address.</p>
<p>Or install a profile that sets it, then open the app and log in:</p>
<ul>
<li><a href="/apple/macos-standalone">macOS, stand-alone app</a></li>
<li><a href="/apple/macos-app-store">macOS, App Store</a></li>
<li><a href="/apple/ios">iOS</a></li>
</ul>
<p><small>A profile changes settings of the device. Read it before you install it.</small></p>`,
  );
}

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
