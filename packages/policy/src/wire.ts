/**
 * What the engine says in the protocol's own words: the parts of tailcfg that a policy decides.
 *
 * Source: docs/protocol/control.md §Packet filters, §SSH policy.
 */

/** tailcfg.FilterRule. A rule has `DstPorts` or `CapGrant`. */
export interface FilterRule {
  /** Addresses, prefixes, ranges `a-b`, or `*`. */
  readonly SrcIPs: readonly string[];
  readonly DstPorts?: readonly FilterDestination[];
  /** IANA numbers; absent: TCP, UDP, ICMP, ICMPv6. */
  readonly IPProto?: readonly number[];
  readonly CapGrant?: readonly CapGrant[];
}

/** tailcfg.NetPortRange. */
export interface FilterDestination {
  /** As in SrcIPs. */
  readonly IP: string;
  readonly Ports: { readonly First: number; readonly Last: number };
}

/** tailcfg.CapGrant. */
export interface CapGrant {
  /** Prefixes; clients accept no ranges here. */
  readonly Dsts: readonly string[];
  /** null is a capability without values. */
  readonly CapMap: { readonly [capability: string]: readonly unknown[] | null };
}

/** tailcfg.SSHPolicy. */
export interface SshPolicy {
  readonly rules: readonly SshPolicyRule[];
}

/** tailcfg.SSHRule. */
export interface SshPolicyRule {
  readonly principals: readonly SshPrincipal[];
  /** Requested user to local user; `=` is the same name, never root; empty refuses. */
  readonly sshUsers: { readonly [requested: string]: string };
  readonly action: SshAction;
  readonly acceptEnv?: readonly string[];
}

/** tailcfg.SSHPrincipal. */
export type SshPrincipal = { readonly nodeIP: string } | { readonly any: true };

/** tailcfg.SSHAction; durations in nanoseconds. */
export interface SshAction {
  readonly message?: string;
  readonly reject?: boolean;
  readonly accept?: boolean;
  readonly sessionDuration?: number;
  readonly allowAgentForwarding?: boolean;
  readonly holdAndDelegate?: string;
  readonly allowLocalPortForwarding?: boolean;
  readonly allowRemotePortForwarding?: boolean;
}
