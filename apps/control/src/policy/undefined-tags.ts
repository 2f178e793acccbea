/**
 * Tags that nodes have and a policy does not define. Nothing forbids them: they were given before, or by an
 * administrator while there was no policy. But no rule can name them, and nobody may give them again.
 */
import type { Policy } from '@malla/policy/policy';
import type { PolicyNode } from '@malla/policy/subjects';

const MAX_TAGS = 20;
const MAX_NAMES = 5;
const SECTION = { line: 1, column: 1, path: 'tagOwners' } as const;

/** The policy with a warning for each such tag, the first twenty in order. */
export function warnOfUndefinedTags(
  policy: Policy,
  nodes: Iterable<PolicyNode>,
  nameOf: (node: PolicyNode) => string,
): Policy {
  const byTag = new Map<string, PolicyNode[]>();
  for (const node of nodes) {
    for (const tag of node.tags) {
      if (policy.tagOwners.has(tag)) continue;
      const having = byTag.get(tag);
      if (having === undefined) byTag.set(tag, [node]);
      else having.push(node);
    }
  }
  if (byTag.size === 0) return policy;
  const found = [...byTag].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_TAGS);
  const warnings = found.map(([tag, having]) => ({
    place: SECTION,
    message: `${whoHas(having, nameOf)} ${tag}, which the policy does not define: no rule can name it, and nobody may give it again`,
    hint: `add ${JSON.stringify(tag)}: [] to tagOwners, with those who may give it`,
  }));
  return { ...policy, warnings: [...policy.warnings, ...warnings] };
}

function whoHas(nodes: readonly PolicyNode[], nameOf: (node: PolicyNode) => string): string {
  const names = nodes.slice(0, MAX_NAMES).map(nameOf);
  const more = nodes.length - names.length;
  const who = [...names, ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return `${nodes.length === 1 ? 'node' : 'nodes'} ${who} ${nodes.length === 1 ? 'has' : 'have'}`;
}
