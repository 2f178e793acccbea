/**
 * tailcfg.SSHPolicy: who may log in by SSH at the node that gets it. Spelled as on the wire: writing one
 * is `JSON.stringify`. The first rule that means a session decides.
 *
 * Source: docs/protocol/control.md §SSH policy. Observed: clients 1.80 to 1.102.
 */
import { flag, list, number, type Reader, record, shape, text, time, whole } from './shape.ts';

/** tailcfg.SSHPolicy. */
export interface SshPolicy {
  readonly rules: readonly SshPolicyRule[];
}

/** tailcfg.SSHRule. */
export interface SshPolicyRule {
  /** RFC 3339; the rule is none from then on. */
  readonly ruleExpires?: string;
  readonly principals: readonly SshPrincipal[];
  /** Requested user to local user; `=` is the same name, never root; empty refuses. */
  readonly sshUsers: { readonly [requested: string]: string };
  readonly action: SshAction;
  readonly acceptEnv?: readonly string[];
}

/** tailcfg.SSHPrincipal: who is meant if any field fits. */
export interface SshPrincipal {
  /** StableID. */
  readonly node?: string;
  readonly nodeIP?: string;
  readonly userLogin?: string;
  readonly any?: boolean;
}

/** tailcfg.SSHAction; durations in nanoseconds. */
export interface SshAction {
  readonly message?: string;
  readonly reject?: boolean;
  readonly accept?: boolean;
  readonly sessionDuration?: number;
  readonly allowAgentForwarding?: boolean;
  /** A URL that says what to do, with `$SRC_NODE_IP` and the like in it. */
  readonly holdAndDelegate?: string;
  readonly allowLocalPortForwarding?: boolean;
  readonly allowRemotePortForwarding?: boolean;
  /** `ip:port` each. */
  readonly recorders?: readonly string[];
  readonly onRecordingFailure?: SshRecordingFailure;
}

/** tailcfg.SSHRecorderFailureAction. */
export interface SshRecordingFailure {
  readonly RejectSessionWithMessage?: string;
  readonly TerminateSessionWithMessage?: string;
  readonly NotifyURL?: string;
}

const MAX_RULES = 16_384;
const MAX_PRINCIPALS: number = 1 << 18;
const MAX_USERS = 4096;

/** Reads a {@link SshAction}, as a policy has it and as the URL of one answers. */
export const sshAction: Reader<SshAction> = shape<SshAction>({
  message: text(16_384),
  reject: flag,
  accept: flag,
  sessionDuration: number,
  allowAgentForwarding: flag,
  holdAndDelegate: text(4096),
  allowLocalPortForwarding: flag,
  allowRemotePortForwarding: flag,
  recorders: list(text(), 64),
  onRecordingFailure: shape<SshRecordingFailure>({
    RejectSessionWithMessage: text(16_384),
    TerminateSessionWithMessage: text(16_384),
    NotifyURL: text(4096),
  }),
});

const rule = shape<SshPolicyRule>(
  {
    ruleExpires: time,
    principals: list(
      shape<SshPrincipal>({ node: text(), nodeIP: text(), userLogin: text(), any: flag }),
      MAX_PRINCIPALS,
    ),
    sshUsers: record(text(), MAX_USERS),
    action: sshAction,
    acceptEnv: list(text(), 4096),
  },
  ['principals', 'sshUsers', 'action'],
);

/** Nobody may log in. */
const NOBODY: SshPolicy = { rules: [] };

/** Reads a {@link SshPolicy}. One that is wrong anywhere lets nobody in: what refuses may be what was wrong. */
export const sshPolicy: Reader<SshPolicy> = whole(
  shape<SshPolicy>({ rules: list(rule, MAX_RULES) }, ['rules']),
  NOBODY,
);
