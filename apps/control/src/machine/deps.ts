/** What the machine endpoints need from the rest of the control server. */
import type { Logger } from '@malla/base/logger';
import type { Node } from '@malla/netmap/node';
import type { TailnetId } from '@malla/netmap/user';
import type { RegistrationRules } from '../core/registration.ts';
import type { Fanout } from '../fanout/fanout.ts';
import type { Ledger } from '../ledger.ts';
import type { OperatorCommands } from '../operator-commands.ts';
import type { Routes } from '../routing/served-routes.ts';
import type { SshChecks } from '../ssh/checks.ts';
import type { PendingLogins } from '../logins/pending-logins.ts';
import type { C2nExchanges } from './c2n.ts';
import type { RegistrationPace } from './registration-pace.ts';
import type { Reports } from './reports.ts';
import type { KeepAlives } from '../liveness/keep-alives.ts';
import type { Presences } from '../liveness/presences.ts';

export interface MachineDeps {
  readonly tailnet: TailnetId;
  readonly ledger: Ledger;
  readonly fanout: Fanout;
  readonly presences: Presences;
  readonly keepAlives: KeepAlives;
  readonly routes: Routes;
  readonly pendingLogins: PendingLogins;
  readonly c2n: C2nExchanges;
  readonly sshChecks: SshChecks;
  readonly reports: Reports;
  readonly registrationPace: RegistrationPace;
  readonly rules: RegistrationRules;
  /** Whether one more entry of a node may be kept for the record; if so it counts. */
  readonly mayKeepEntry: (node: Node) => boolean;
  readonly commands: OperatorCommands;
  /** Without a slash at its end. */
  readonly serverUrl: string;
  /** Unix ms. */
  readonly now: () => number;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly log: Logger;
  /** For what devices do that were let in, of which each line counts. */
  readonly journal: Logger;
}
