/** The versions of the policy. What a text means is not known here. */
import { decide, type Decision, type PolicyVersion } from './change.ts';
import type { Context, State } from './state.ts';

/** Keeps a text as the newest version. */
export function appendPolicy(
  state: State,
  { source, author, text }: Pick<PolicyVersion, 'source' | 'author' | 'text'>,
  context: Context,
): Decision<PolicyVersion> {
  const id = state.nextId('policy');
  const createdAt = context.now;
  const after = { id, tailnet: context.tailnet, source, author, createdAt, text };
  return decide([{ table: 'policy', id, before: undefined, after }], after);
}
