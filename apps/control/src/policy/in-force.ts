/** What holds of the policy, and what was refused. */
import type { Policy } from '@malla/policy/policy';
import type { PolicyVersion } from '../core/change.ts';
import type { Refusal } from './judge.ts';

/** A version and what it means. */
export interface InForce {
  readonly version: PolicyVersion;
  readonly policy: Policy;
}

/** The version with which somebody went back to no policy. */
export interface Unset {
  readonly version: PolicyVersion;
  readonly policy: undefined;
}

/** The newest text of the policy where it was refused. */
export interface Refused extends Refusal {
  /** Where it stands: the path of the file, or the number of a stored version. */
  readonly where: string;
  /** Unix ms. */
  readonly since: number;
}
