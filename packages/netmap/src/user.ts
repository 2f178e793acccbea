/** A user of a tailnet: whom devices belong to. */

/** One tailnet for now; the id runs through state and schema because several will come. */
export type TailnetId = number;
/** The tailnet that a fresh database has. */
export const FIRST_TAILNET: TailnetId = 1;

/** 1 to 2^53 - 1, never reused. */
export type UserId = number;

export interface User {
  readonly id: UserId;
  readonly tailnet: TailnetId;
  /** Unique among users without an identity provider. */
  readonly name: string;
  readonly displayName: string;
  readonly email: string;
  readonly pictureUrl: string;
  /** Identity provider's name and the identifier there; both empty for a user made by hand. */
  readonly provider: string;
  readonly providerId: string;
  /** Unix ms. */
  readonly createdAt: number;
}

/**
 * The synthetic user that tagged nodes appear under, as clients need every node to have one.
 * Observed: headscale 0.29 uses this id and name; scripts know them.
 */
export const TAGGED_DEVICES: { readonly id: UserId; readonly name: string } = {
  id: 2147455555,
  name: 'tagged-devices',
};
