/** The page behind an AuthURL: what an administrator must type to let the device in. */
import { escapeHtml, page } from './page.ts';

/** For a login that waits; the command lets it in. `expiresAt` is Unix ms. */
export function registerPage(
  device: { readonly hostname: string; readonly os: string },
  command: string,
  expiresAt: number,
): string {
  const what = device.hostname === '' ? 'A device' : `“${device.hostname}”`;
  const time = new Date(expiresAt).toISOString();
  return page(
    'Register a device',
    `<p>${escapeHtml(what)}${device.os === '' ? '' : ` (${escapeHtml(device.os)})`} wants to join this network.
To let it in, run this where the server runs, with the name of the user it shall belong to in the place of
<code>USERNAME</code>:</p>
<pre><code>${escapeHtml(command)}</code></pre>
<p><small>Selecting any part of the command selects all of it. Valid once, until
<time datetime="${time}">${time.slice(0, 16).replace('T', ' ')} UTC</time>.
Did you not start this? Then close this page: nothing has happened.</small></p>`,
  );
}

/** For an id that nothing waits with. */
export function noSuchLoginPage(): string {
  return page(
    'This login is over',
    `<p>Nothing waits for this login: it was finished, it expired, or the server was restarted.
Run <code>tailscale up</code> on the device, or connect by SSH, again to get a new link.</p>`,
  );
}
