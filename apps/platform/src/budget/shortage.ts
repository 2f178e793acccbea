/** That there was not enough of something, as budgets tell it: once for each who was refused or lost out. */

/** Whose purse: everybody's whom nobody knows, or theirs who are known. */
export type PurseName = 'strangers' | 'known';

/** `share`: one holder is at its limit. `total`: all together are. */
export type ShortageCause = 'share' | 'total';

export interface Shortage {
  readonly budget: string;
  readonly purse: PurseName;
  /** `evicted`: somebody lost what it had, to another. */
  readonly cause: ShortageCause | 'evicted';
  /** Who is concerned: an address, the /64 of one, or the name of one who is known. */
  readonly holder: string;
}

export type OnShortage = (shortage: Shortage) => void;

/** How often there was not enough, since the start. */
export type Refusals = Record<ShortageCause, number>;
