/**
 * A policy that was parsed and checked: every name in it is defined, every form is one we enforce. Its
 * parts keep their place in the text, for problems and explanations.
 *
 * Source: docs/reference/policy.md; Tailscale's policy file syntax. Observed: the hosted service, April 2026.
 */
import type { Prefix } from '@malla/ip/prefix';
import type { PostureAttributes } from './subjects.ts';

/** Where something stands in the text of the policy. Lines and columns count from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** As a person writes it: `acls[3].dst[0]`, `groups["group:dev"]`. */
  readonly path: string;
}

/**
 * The autogroups that can name nodes or people. `internet` and `self` are destinations only, `danger-all` and
 * `shared` sources only; `shared` means nobody, as nodes are not shared between tailnets here.
 */
export const AUTOGROUPS = [
  'member',
  'tagged',
  'self',
  'internet',
  'danger-all',
  'owner',
  'admin',
  'network-admin',
  'it-admin',
  'billing-admin',
  'auditor',
  'shared',
] as const;
export type Autogroup = (typeof AUTOGROUPS)[number];

/** What a rule may name as a source or a destination. */
export type Alias =
  /** `*` */
  | { readonly kind: 'any' }
  /** As written, such as `odin@example.com`; a trailing `@` (a local name) is kept. */
  | { readonly kind: 'user'; readonly name: string }
  /** `user:*@example.com`: every user of that domain, as a source or a destination. */
  | { readonly kind: 'domain'; readonly domain: string }
  /** With its prefix: `group:dev`. */
  | { readonly kind: 'group'; readonly name: string }
  /** With its prefix: `tag:web`. */
  | { readonly kind: 'tag'; readonly name: string }
  | { readonly kind: 'autogroup'; readonly name: Autogroup }
  /** A name of `hosts`; its prefix is in {@link Policy.hosts}. */
  | { readonly kind: 'host'; readonly name: string }
  /** With its prefix: `ipset:prod`. */
  | { readonly kind: 'ipset'; readonly name: string }
  | { readonly kind: 'prefix'; readonly prefix: Prefix };

export interface Placed<T> {
  readonly value: T;
  readonly place: Place;
}

/** Both ends included; 0 to 65535 is `*`. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}
export const ALL_PORTS: PortRange = { first: 0, last: 65_535 };

/**
 * Protocols and ports that a rule admits. `protocols`: IANA numbers, sorted; empty means the client's
 * default set (TCP, UDP, ICMP, ICMPv6).
 */
export interface Admission {
  readonly protocols: readonly number[];
  readonly ports: readonly PortRange[];
}

/** One destination of a rule, and what is admitted there. */
export interface Destination {
  readonly alias: Alias;
  readonly place: Place;
  /** Empty for a grant that has only `app`. */
  readonly admissions: readonly Admission[];
}

/** An application capability that a grant gives: its name and the values, any JSON. */
export type AppCapabilities = { readonly [capability: string]: readonly unknown[] };

/** An entry of `acls` or `grants`: both say the same, so they have one form. */
export interface Rule {
  readonly section: 'acls' | 'grants';
  readonly place: Place;
  readonly sources: readonly Placed<Alias>[];
  readonly destinations: readonly Destination[];
  /** Absent without `app`. */
  readonly app: AppCapabilities | undefined;
  /** Tags of the routers that traffic must take; empty: any. */
  readonly via: readonly Placed<string>[];
  /** Names of postures, `posture:name`, one of which a source must satisfy; empty: none needed (the default postures are filled in). */
  readonly postures: readonly Placed<string>[];
}

/** `checkPeriod` of a check rule that names none, ms: 12 h. */
export const DEFAULT_CHECK_PERIOD_MS = 12 * 3_600_000;

export interface SshRule {
  readonly place: Place;
  readonly action: 'accept' | 'check';
  readonly sources: readonly Placed<Alias>[];
  readonly destinations: readonly Placed<Alias>[];
  /** `root`, a name, `autogroup:nonroot`, or `localpart:*@domain`, as written. */
  readonly users: readonly Placed<string>[];
  /** ms; 0 is `always`. Absent with `accept`. */
  readonly checkPeriodMs: number | undefined;
  /** Patterns of environment variables. */
  readonly acceptEnv: readonly string[];
  readonly postures: readonly Placed<string>[];
}

export interface NodeAttributes {
  readonly place: Place;
  readonly targets: readonly Placed<Alias>[];
  readonly attributes: readonly Placed<string>[];
  /** Attributes with values: `app`. */
  readonly app: AppCapabilities | undefined;
  /** IPv4 prefixes from which nodes get their address when they join: `ipPool`; empty without one. */
  readonly pool: readonly Placed<Prefix>[];
}

export interface AutoApprovers {
  /** A prefix, and who may have any part of it approved: users, groups, tags, autogroups. */
  readonly routes: readonly {
    readonly prefix: Prefix;
    readonly place: Place;
    readonly approvers: readonly Placed<Alias>[];
  }[];
  readonly exitNode: readonly Placed<Alias>[];
}

/** A condition on a device's attribute: `node:os IN ['macos', 'linux']`. */
export interface PostureCondition {
  /** `node:os`, `node:osVersion`, `node:tsVersion`, `node:tsReleaseTrack`, `node:tsAutoUpdate`, `custom:…`, … */
  readonly attribute: string;
  readonly operator: '==' | '!=' | '<' | '<=' | '>' | '>=' | 'IN' | 'NOT IN' | 'IS SET' | 'NOT SET';
  /** Empty for IS SET and NOT SET. */
  readonly values: readonly (string | number | boolean)[];
}

/** All of its conditions must hold. */
export interface Posture {
  readonly place: Place;
  readonly conditions: readonly PostureCondition[];
}

/** One entry of `tests`. Destinations stay text with its place: `host:port`. */
export interface PolicyTest {
  readonly place: Place;
  readonly source: Placed<Alias>;
  /** `tcp`, `udp`, `sctp` by number; empty: TCP and UDP. */
  readonly protocols: readonly number[];
  readonly accept: readonly TestDestination[];
  readonly deny: readonly TestDestination[];
  /** `srcPostureAttrs`: posture attributes that the source is taken to have. */
  readonly sourceAttributes: PostureAttributes;
  readonly faults: TestFaults;
}

/**
 * Why an entry fails whatever the rules say, such as a source that is not defined or a port that is
 * none: the service refuses such a policy with its test report. What could not be read is left out of
 * the entry; a source that could not be read is the host of that name, which is in no `hosts`.
 */
export type TestFaults = readonly TestFault[];

/** One of them, and how to mend it: found only when it is asked for, as there may be many. */
export interface TestFault extends Placed<string> {
  readonly hint?: () => string | undefined;
}

export interface TestDestination {
  readonly alias: Alias;
  readonly port: number;
  readonly place: Place;
  /** As written. */
  readonly text: string;
}

/** One entry of `sshTests`: as which users `source` gets in at every destination. */
export interface SshTest {
  readonly place: Place;
  readonly source: Placed<Alias>;
  readonly destinations: readonly Placed<Alias>[];
  readonly accept: readonly Placed<string>[];
  readonly check: readonly Placed<string>[];
  readonly deny: readonly Placed<string>[];
  readonly sourceAttributes: PostureAttributes;
  readonly faults: TestFaults;
}

/** Something in the text that is taken, and has no effect here. */
export interface Warning {
  readonly place: Place;
  readonly message: string;
  /** What to do instead. */
  readonly hint: string | undefined;
}

/**
 * The whole policy. `rules` is undefined when the text has neither `acls` nor `grants`: then everyone
 * may talk to everyone; an empty list allows nothing. Grants come before acls.
 */
export interface Policy {
  readonly rules: readonly Rule[] | undefined;
  readonly groups: ReadonlyMap<string, readonly Placed<string>[]>;
  readonly hosts: ReadonlyMap<string, Prefix>;
  /** `ipset:name` to the prefixes that are left after its add and remove steps. */
  readonly ipsets: ReadonlyMap<string, readonly Prefix[]>;
  /** `tag:name` to its owners: users, groups, tags, autogroups. */
  readonly tagOwners: ReadonlyMap<string, readonly Placed<Alias>[]>;
  readonly autoApprovers: AutoApprovers;
  readonly ssh: readonly SshRule[];
  readonly nodeAttributes: readonly NodeAttributes[];
  readonly postures: ReadonlyMap<string, Posture>;
  readonly tests: readonly PolicyTest[];
  readonly sshTests: readonly SshTest[];
  readonly randomizeClientPort: boolean;
  /** In the order of the text. */
  readonly warnings: readonly Warning[];
}

/** The policy that allows everything: what `{}` says. */
export const ALLOW_ALL: Policy = {
  rules: undefined,
  groups: new Map(),
  hosts: new Map(),
  ipsets: new Map(),
  tagOwners: new Map(),
  autoApprovers: { routes: [], exitNode: [] },
  ssh: [],
  nodeAttributes: [],
  postures: new Map(),
  tests: [],
  sshTests: [],
  randomizeClientPort: false,
  warnings: [],
};
