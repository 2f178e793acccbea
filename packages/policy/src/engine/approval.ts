/**
 * What a policy lets happen without an administrator: routes that are approved as they are announced, and
 * tags that their owners give to devices.
 */
import { containsPrefix, type Prefix } from '@malla/ip/prefix';
import { isExitRoute } from '@malla/ip/special';
import type { Alias, Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import type { EngineResolver } from './resolver.ts';

/**
 * The announced prefixes that `autoApprovers` approve for a node: those in a prefix of `routes` that has
 * the node among its approvers. Exit routes only by `exitNode`.
 */
export function autoApproved(
  policy: Policy,
  resolver: EngineResolver,
  node: PolicyNode,
): readonly Prefix[] {
  const { routes, exitNode } = policy.autoApprovers;
  const means = ({ value }: { readonly value: Alias }): boolean => resolver.matches(value, node);
  return node.announced.filter((announced) => {
    if (isExitRoute(announced)) return exitNode.some(means);
    return routes.some(
      ({ prefix, approvers }) => containsPrefix(prefix, announced) && approvers.some(means),
    );
  });
}

/** Roles whose users own every tag, whoever its owners are. Source: Tailscale's policy file syntax §Tag owners. */
const OWN_ALL_TAGS: ReadonlySet<PolicyUser['role']> = new Set(['owner', 'admin', 'network-admin']);

/** Whether a user owns a tag that is defined: by role, as one of its owners, or of a tag that owns it. */
export function ownsTag(
  policy: Policy,
  resolver: EngineResolver,
  user: PolicyUser,
  tag: string,
): boolean {
  if (!policy.tagOwners.has(tag)) return false;
  if (OWN_ALL_TAGS.has(user.role)) return true;
  return ownersOf(policy, tag).some((owner) => resolver.matchesUser(owner, user));
}

/** Whether one of the tags owns a tag, itself or through other tags. */
export function tagsOwnTag(policy: Policy, tags: readonly string[], tag: string): boolean {
  return ownersOf(policy, tag).some((owner) => owner.kind === 'tag' && tags.includes(owner.name));
}

/** All owners of a tag, those of the tags that own it included. Tags that own each other end somewhere. */
function ownersOf(policy: Policy, tag: string): readonly Alias[] {
  const owners: Alias[] = [];
  const seen = new Set([tag]);
  for (const each of seen) {
    for (const { value } of policy.tagOwners.get(each) ?? []) {
      owners.push(value);
      if (value.kind === 'tag') seen.add(value.name);
    }
  }
  return owners;
}
