/**
 * tailcfg.Hostinfo: what a client says about its machine. Every field is optional; unknown fields are
 * kept as they came, because newer clients add some with almost every release.
 *
 * Source: docs/protocol/control.md §Hostinfo. Observed: clients 1.80 to 1.102.
 */

export interface NetInfo {
  readonly PreferredDERP?: number;
  readonly [field: string]: unknown;
}

export interface Service {
  readonly Proto: string;
  readonly Port: number;
  readonly Description?: string;
}

export interface Hostinfo {
  readonly IPNVersion?: string;
  readonly OS?: string;
  readonly OSVersion?: string;
  readonly Hostname?: string;
  readonly RoutableIPs?: readonly string[];
  readonly RequestTags?: readonly string[];
  readonly Services?: readonly Service[];
  readonly NetInfo?: NetInfo;
  readonly sshHostKeys?: readonly string[];
  readonly [field: string]: unknown;
}
