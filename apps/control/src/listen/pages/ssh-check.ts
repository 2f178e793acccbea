/** The page that an SSH banner points to: who wants in where, and what lets them in. */
import type { State } from '../../core/state.ts';
import type { OperatorCommands } from '../../operator-commands.ts';
import type { SshCheck } from '../../ssh/checks.ts';
import { escapeHtml, page } from './page.ts';

/** A check, as far as the state knows its devices, and the commands that decide it. */
export function sshCheckPage(check: SshCheck, state: State, commands: OperatorCommands): string {
  if (check.state !== 'waiting') {
    return page(
      'This SSH connection is decided',
      `<p>It was ${check.state}. There is nothing left to do here: go back to the terminal.</p>`,
    );
  }
  const source = state.node(check.source);
  const destination = state.node(check.destination);
  const owner = source?.userId === undefined ? undefined : state.user(source.userId);
  const whose = owner === undefined ? (source?.tags.join(', ') ?? '') : owner.name;
  const time = new Date(check.expiresAt).toISOString();
  return page(
    'Approve an SSH connection',
    `<p>${strong(source?.name)}${whose === '' ? '' : ` (${escapeHtml(whose)})`} wants to connect to
${strong(destination?.name)} as ${strong(check.localUser)}. The policy of this network asks for somebody's
approval first. To let the connection through, run this where the server runs:</p>
<pre><code>${escapeHtml(commands.approve(check.id))}</code></pre>
<p>To refuse it:</p>
<pre><code>${escapeHtml(commands.reject(check.id))}</code></pre>
<p><small>Selecting any part of a command selects all of it. The connection waits until
<time datetime="${time}">${time.slice(0, 16).replace('T', ' ')} UTC</time>.
An approval holds for the device for as long as the policy says.
Do you not know of this connection? Then refuse it.</small></p>`,
  );
}

function strong(text: string | undefined): string {
  return `<strong>${escapeHtml(text ?? 'a device')}</strong>`;
}
