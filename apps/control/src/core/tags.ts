/** Tags as administrators write them: `tag:name`. Who may use which is the policy's business. */
import { MallaError } from '@malla/base/error';

/** The tags, sorted and without repetition. Throws MallaError `node.tags-invalid`. */
export function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) {
    const problem = problemOf(tag);
    if (problem !== undefined) {
      throw new MallaError('node.tags-invalid', problem, { details: { tag } });
    }
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
