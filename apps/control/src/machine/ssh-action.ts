/**
 * `GET /machine/ssh/action/<source>/to/<destination>`: a destination that serves Tailscale SSH asks
 * whether a connection under a check rule may go on. Its client shows the message of each answer as an SSH
 * banner and asks the URL of `holdAndDelegate` next, until it is told to accept or to reject; anything but
 * status 200 it asks again with a growing pause, so whatever is final is an answer.
 *
 * Source: docs/protocol/control.md §SSH checks. Observed: clients 1.80 and 1.102.
 */
import { formatDuration } from '@malla/base/duration';
import type { SshAction } from '@malla/wire/tailcfg/ssh-policy';
import type { MachineDeps } from './deps.ts';
import type { Exchange, Origin } from '../channel/inner-http.ts';
import type { SshAnswer, SshCheck, SshConnection, SshRefusal } from '../ssh/checks.ts';

const PATH = /^\/machine\/ssh\/action\/([1-9]\d{0,15})\/to\/([1-9]\d{0,15})$/;
const MAX_LOCAL_USER_CHARS = 256;
/** Controls, breaks, what turns the direction of text, what cannot be seen: no system has such a user, and people read the name. */
const UNREADABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** What is answered: what those who keep the connections say, or that there is none like it. */
type Answer = SshAnswer | { readonly kind: 'refuse'; readonly reason: 'no-such-user' };

/** What an SSH session may do once it is accepted: the same as under a rule that accepts. */
const ACCEPT: SshAction = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
};

const REFUSALS: Readonly<Record<SshRefusal | 'no-such-user', string>> = {
  'no-such-user': 'no user has such a name',
  'not-permitted': 'tailnet policy does not permit you to SSH to this node',
  rejected: 'an administrator refused this connection',
  expired: 'nobody approved this connection in time: connect again to ask anew',
  'too-many': 'too many SSH connections wait for approval: try again later',
};

/** Answers it; the answer to a follow-up may take minutes. */
export async function sshAction(
  deps: MachineDeps,
  origin: Origin,
  exchange: Exchange,
): Promise<void> {
  const asked = parse(exchange.path);
  if (asked === undefined) {
    exchange.respond(400, 'text/plain', 'bad question about an SSH connection');
    return;
  }
  const { connection, id } = asked;
  const destination = deps.ledger.state.node(connection.destination);
  const aborted = new AbortController();
  exchange.onAborted = () => aborted.abort();
  let answer: Answer | undefined;
  if (destination?.machineKey !== origin.connection.machineKey) {
    // Of another's node the same as of none: nobody is to learn which there are.
    answer = { kind: 'refuse', reason: 'not-permitted' };
  } else if (UNREADABLE.test(connection.localUser)) {
    answer = { kind: 'refuse', reason: 'no-such-user' };
  } else if (id === undefined) answer = deps.sshChecks.ask(connection);
  else answer = await deps.sshChecks.follow(connection, id, aborted.signal);
  if (answer === undefined) return;
  exchange.respond(200, 'application/json', JSON.stringify(actionFor(answer, deps.serverUrl)));
}

function parse(
  pathAndQuery: string,
): { readonly connection: SshConnection; readonly id: string | undefined } | undefined {
  const [path = '', query = ''] = pathAndQuery.split('?', 2);
  const match = PATH.exec(path);
  const fields = new URLSearchParams(query);
  const localUser = fields.get('local_user') ?? '';
  if (match === null || localUser === '' || localUser.length > MAX_LOCAL_USER_CHARS) {
    return undefined;
  }
  const connection = { source: Number(match[1]), destination: Number(match[2]), localUser };
  return { connection, id: fields.get('auth_id') ?? undefined };
}

function actionFor(answer: Answer, serverUrl: string): SshAction {
  switch (answer.kind) {
    case 'accept': {
      const { periodMs } = answer;
      return periodMs === undefined ? ACCEPT : { ...ACCEPT, message: approvedBanner(periodMs) };
    }
    case 'refuse':
      return { reject: true, message: `tailscale: ${REFUSALS[answer.reason]}\n` };
    case 'wait': {
      const { id } = answer.check;
      // The client fills in the variables, and asks over Noise whatever the host.
      const holdAndDelegate = `https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER&auth_id=${id}`;
      if (!answer.isNew) return { holdAndDelegate };
      return { message: checkBanner(answer.check, serverUrl), holdAndDelegate };
    }
  }
}

/** In the hosted service's words, which scripts look for. */
function checkBanner({ id }: SshCheck, serverUrl: string): string {
  return `# Tailscale SSH requires an additional check.\n# To authenticate, visit: ${serverUrl}/auth/${id}\n`;
}

function approvedBanner(periodMs: number): string {
  const validity = periodMs === 0 ? '' : `# This holds for ${formatDuration(periodMs)}.\n`;
  return `# Authentication checked with Tailscale SSH.\n${validity}`;
}
