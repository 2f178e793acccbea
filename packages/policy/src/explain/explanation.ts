/**
 * What an explanation says: values that JSON can carry, each with a sentence for people in `text`.
 */

/**
 * Who is asked about: the id of a node, or text: an address, a prefix behind a router, an address of the
 * internet, or what a policy names (`ann@example.com`, `group:dev`, `tag:web`, `autogroup:member`, a host).
 */
export type Subject = number | string;

export interface Question {
  readonly source: Subject;
  readonly destination: Subject;
  /** Undefined: whether any port is open; for protocols without ports. */
  readonly port: number | undefined;
  /** IANA number. */
  readonly protocol: number;
}

export interface SshQuestion {
  readonly source: Subject;
  readonly destination: Subject;
  /** The local user that is asked for. */
  readonly user: string;
}

/** Where a rule stands in the text of the policy. */
export interface RuleReference {
  /** As a person writes it: `acls[3]`. */
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** A rule that admits, and by which of its words it means both sides. */
export interface Match {
  readonly rule: RuleReference;
  readonly source: string;
  readonly destination: string;
}

export type ReasonKind =
  /** There is nothing by the name of a side. */
  | 'unknown-source'
  | 'unknown-destination'
  /** A side is something that means no device now. */
  | 'nobody'
  /** A rule has both sides, but not this port or protocol. */
  | 'port'
  /** A rule has both sides, but the source meets none of its postures. */
  | 'posture'
  /** A rule has both sides, but only through routers with other tags. */
  | 'via'
  /** A rule has `autogroup:self`, and the two are not devices of one user. */
  | 'self'
  /** A rule means users, and the source is a tagged device: it belongs to none. */
  | 'tagged'
  /** A rule has the source, but not the destination. */
  | 'destination'
  /** A rule has the destination, but not the source. */
  | 'source'
  /** An SSH rule has both sides, but not this user. */
  | 'user'
  /** No packet gets through for the session to begin. */
  | 'network'
  /** No device announces the way. */
  | 'no-route'
  /** A device announces the way, and nobody approved it. */
  | 'not-approved'
  /** A router has the way, and the policy hides it from the source. */
  | 'hidden'
  /** No rule comes near. */
  | 'nothing'
  /** There are no rules, and what holds in their place keeps the two apart. */
  | 'no-policy';

/** For want of what a flow is not admitted. */
export interface Reason {
  readonly kind: ReasonKind;
  readonly rule: RuleReference | null;
  readonly text: string;
}

/** One side of a flow: a device, or an address that no device has as its own. */
export interface EndReference {
  readonly node: number | null;
  readonly address: string | null;
}

export interface Flow {
  readonly source: EndReference;
  readonly destination: EndReference;
}

/** What holds for one or many flows, which fare alike. */
export interface Finding {
  readonly allowed: boolean;
  /** How many pairs of sides; devices that the policy treats alike count as one. */
  readonly flows: number;
  /** One of them. */
  readonly example: Flow;
  /** By which rule; null when it is denied, and when there are no rules at all. */
  readonly match: Match | null;
  /** The router or exit node that traffic takes; null when it needs none. */
  readonly router: number | null;
  /** Nearest first. Empty when it is allowed. */
  readonly reasons: readonly Reason[];
  readonly text: string;
}

export interface Direction {
  /** `mixed`: some of the flows are allowed, some are not. */
  readonly outcome: 'allowed' | 'denied' | 'mixed';
  readonly findings: readonly Finding[];
  /** How many pairs were not looked at, as there are too many. */
  readonly unexamined: number;
  readonly text: string;
}

export interface Explanation {
  readonly outcome: Direction['outcome'];
  /** From source to destination. Answers to what is admitted pass by themselves. */
  readonly forward: Direction;
  /** The same port the other way round; null where nothing can begin there, as on the internet. */
  readonly reverse: Direction | null;
  readonly text: string;
}

export type SshOutcome = 'accept' | 'check' | 'denied';

export interface SshFinding {
  readonly outcome: SshOutcome;
  readonly flows: number;
  readonly example: Flow;
  readonly match: Match | null;
  readonly reasons: readonly Reason[];
  readonly text: string;
}

export interface SshExplanation {
  readonly outcome: SshOutcome | 'mixed';
  readonly findings: readonly SshFinding[];
  readonly unexamined: number;
  readonly text: string;
}
