/** What changes for whom under another policy, as it is told to people. */

/** Names, of which only the first are given. */
export interface Names {
  readonly count: number;
  readonly names: readonly string[];
}

interface Difference<T> {
  readonly gained: T;
  readonly lost: T;
}

/** Who may open what. */
export interface Access {
  readonly from: Names;
  /** Addresses and prefixes, `autogroup:internet`; `*` alone for the node itself. */
  readonly to: Names;
  /** Such as `tcp:22`, or the name of an application. */
  readonly what: string;
}

/** Who may log in over SSH as whom. */
export interface Login {
  readonly from: Names;
  readonly user: string;
  readonly action: 'accept' | 'check';
}

/** What changes for some nodes, the same for each of them. */
export interface PolicyChange {
  readonly nodes: Names;
  readonly peers: Difference<Names>;
  /** Who may open what on them. */
  readonly access: Difference<readonly Access[]>;
  /** Such as `10.0.0.0/24 via router`. */
  readonly routes: Difference<Names>;
  readonly ssh: Difference<readonly Login[]>;
  readonly attributes: Difference<Names>;
}
