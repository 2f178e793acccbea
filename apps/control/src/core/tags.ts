/** Tags as administrators write them: `tag:name`. Who may use which is the policy's business. */
import { MallaError } from '@malla/base/error';
import type { UserId } from '@malla/netmap/user';

/** What the policy says of tags (`tagOwners`). */
export interface TagPolicy {
  /** Whether there is such a tag. */
  isDefined(tag: string): boolean;
  /** Whether a user may give it to a device of theirs. */
  owns(userId: UserId, tag: string): boolean;
}

/** Without a policy any tag may be given by an administrator, and nobody else owns one. */
export const NO_TAG_POLICY: TagPolicy = { isDefined: () => true, owns: () => false };

/** Refuses tags that a client asked for, or that an administrator gives, by name. Throws MallaError. */
export function refuseTags(
  refused: readonly string[],
  code: 'register.refused' | 'node.tags-invalid',
  reason: string,
): never {
  const named = refused.length > 8 ? [...refused.slice(0, 8), '…'] : refused;
  throw new MallaError(
    code,
    `requested tags [${named.join(', ')}] are invalid or not permitted: ${reason}`,
  );
}

/**
 * The tags that an administrator gives, sorted and without repetition. Throws MallaError
 * `node.tags-invalid` for what is none, or is none of the policy's.
 */
export function checkTags(tags: readonly string[], policy: TagPolicy): readonly string[] {
  for (const tag of tags) {
    const problem = problemOf(tag);
    if (problem !== undefined) {
      throw new MallaError('node.tags-invalid', problem, { details: { tag } });
    }
  }
  const undefinedTags = tags.filter((tag) => !policy.isDefined(tag));
  if (undefinedTags.length > 0) {
    refuseTags(undefinedTags, 'node.tags-invalid', 'the policy does not define them in tagOwners');
  }
  return [...new Set(tags)].toSorted();
}

function problemOf(tag: string): string | undefined {
  if (!tag.startsWith('tag:')) return "tag must start with the string 'tag:'";
  if (tag !== tag.toLowerCase()) return 'tag should be lowercase';
  if (/\s/.test(tag)) return 'tags must not contain spaces';
  if (!/^tag:[a-z]/.test(tag)) return "tag names must start with a letter, after 'tag:'";
  return undefined;
}
