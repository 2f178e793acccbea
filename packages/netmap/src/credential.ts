/**
 * Credentials that programs hold: pre-auth keys for devices, API keys for administrators. Both are
 * 256-bit random, so a SHA-256 of the secret is as safe as a slow hash and costs 1 µs, not 60 ms.
 *
 * Text form, as headscale's: `hskey-auth-<prefix 12>-<secret 64>`, `hskey-api-<prefix 12>-<secret 64>`.
 */
import type { TailnetId, UserId } from './user.ts';

export interface PreAuthKey {
  readonly id: number;
  readonly tailnet: TailnetId;
  /** 12 characters, unique; the part that lists show. */
  readonly prefix: string;
  /** Lowercase hex SHA-256 of the secret part's text. */
  readonly hash: string;
  /** Who owns the devices that use it; absent for a key that only tags. */
  readonly userId: UserId | undefined;
  readonly tags: readonly string[];
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  /** A device has registered with it. */
  readonly used: boolean;
  /** Unix ms; absent: never. */
  readonly expiration: number | undefined;
  /** Unix ms when an administrator revoked (expired) it; kept so that the refusal can say so. */
  readonly revokedAt: number | undefined;
  readonly description: string;
  readonly createdAt: number;
}

export interface ApiKey {
  readonly id: number;
  readonly tailnet: TailnetId;
  readonly prefix: string;
  readonly hash: string;
  readonly expiration: number | undefined;
  readonly lastSeen: number | undefined;
  readonly createdAt: number;
}
