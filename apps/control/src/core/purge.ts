/** Forgets what is kept for a while only. */
import { type Change, decide, type Decision } from './change.ts';
import type { Context, State } from './state.ts';

/** Deletes pre-auth keys that were revoked longer ago than `retentionMs`. Answers with how many. */
export function purgeRevokedKeys(
  state: State,
  retentionMs: number,
  context: Context,
): Decision<number> {
  const changes: Change[] = [];
  for (const before of state.preAuthKeys()) {
    if (before.revokedAt === undefined || context.now - before.revokedAt < retentionMs) continue;
    changes.push({ table: 'preAuthKey', id: before.id, before, after: undefined });
  }
  return decide(changes, changes.length);
}
