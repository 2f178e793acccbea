/**
 * The two sides of a flow, and how text means them. A user, tag or group without devices is stood for by
 * a device as it would be, so that one may ask before it joins.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { ADDRESS_BITS } from '@malla/ip/address';
import { containsPrefix, type Prefix, singlePrefix } from '@malla/ip/prefix';
import { CGNAT, CHROMEOS_RANGE, TAILNET_ULA } from '@malla/ip/special';
import { EXIT_ROUTES } from '@malla/ip/special';
import { parseAlias } from '../document/words/alias.ts';
import { meantBy, type Taken } from '../document/words/meant.ts';
import { askFor, nearest } from '../document/reading/nearest.ts';
import { quote } from '../document/reading/problem.ts';
import type { Explainable } from '../contract.ts';
import { INTERNET } from '../internet.ts';
import { type Alias, AUTOGROUPS, type Policy } from '../policy.ts';
import { sharesOwner } from '../ssh/compile.ts';
import { type PolicyNode, type PolicyUser, UNKNOWN_NODE } from '../subjects.ts';
import type { EndReference, Subject } from './explanation.ts';
import { formatRange } from './words.ts';

/** One side of a flow. */
export interface End {
  /** The device; absent for an address that no device has as its own. */
  readonly node: PolicyNode | undefined;
  /** Its addresses, or those that are asked about. A device that only stands for one has none. */
  readonly addresses: readonly Prefix[];
  /** Whether traffic to it is traffic to the internet. */
  readonly internet: boolean;
  /** The user of a device that stands for someone who has not come yet. */
  readonly newcomer?: string;
  readonly name: string;
}

/** How a device is called in texts. */
export type NodeName = (node: PolicyNode) => string;

/** By its first address. */
export const byAddress: NodeName = (node) => {
  const [address] = node.addresses;
  return address === undefined ? `device ${node.id}` : formatRange(singlePrefix(address));
};

/** Id of a device that is not there. */
const STAND_IN_ID = UNKNOWN_NODE.id;

/** Whether a prefix is part of the internet. */
export function isInternet(prefix: Prefix): boolean {
  return INTERNET.some((part) => containsPrefix(part, prefix));
}

/** Whether a prefix is in the ranges that devices get their addresses from. */
export function isTailnetAddress(prefix: Prefix): boolean {
  if (containsPrefix(CHROMEOS_RANGE, prefix)) return false;
  return containsPrefix(CGNAT, prefix) || containsPrefix(TAILNET_ULA, prefix);
}

/** Why a question is about nothing. */
export interface NoEnd {
  /** Whether the name itself means nothing, not only that nobody is meant by it now. */
  readonly unknown: boolean;
  /** A sentence. */
  readonly text: string;
}

/** Finds the ends that a policy's words mean; made for one question or one run of tests. */
export class Ends {
  readonly #engine: Explainable;
  readonly #name: NodeName;
  #withoutDevice: readonly PolicyUser[] | undefined;

  constructor(engine: Explainable, name: NodeName) {
    this.#engine = engine;
    this.#name = name;
  }

  /** The ends of a subject. */
  of(subject: Subject): Result<readonly End[], NoEnd> {
    if (typeof subject === 'number') {
      const node = this.#engine.node(subject);
      if (node !== undefined) return ok([this.device(node)]);
      return fail({ unknown: true, text: `there is no device ${subject}` });
    }
    const alias = parseAlias(subject);
    const fault = alias.ok ? this.#missing(alias.value) : alias.error.message;
    if (!alias.ok || fault !== undefined) {
      const hint = this.#suggestion(subject);
      return fail({ unknown: true, text: hint === undefined ? `${fault}` : `${fault} (${hint})` });
    }
    const ends = this.meant(alias.value);
    return ends.length > 0
      ? ok(ends)
      : fail({ unknown: false, text: `nothing is meant by ${subject}` });
  }

  /** What is to be said of a name that nothing defines. */
  #missing(alias: Alias): string | undefined {
    const { policy, resolver, withoutRules } = this.#engine;
    switch (alias.kind) {
      case 'group':
        return policy.groups.has(alias.name) ? undefined : undefinedIn(alias);
      case 'ipset':
        return policy.ipsets.has(alias.name) ? undefined : undefinedIn(alias);
      case 'tag': {
        // Without a policy any tag may be given.
        const known = policy.tagOwners.has(alias.name) || withoutRules !== undefined;
        return known || resolver.nodesOf(alias).length > 0 ? undefined : undefinedIn(alias);
      }
      case 'host': {
        if (policy.hosts.has(alias.name)) return undefined;
        const hosts = policy.hosts.size === 0 ? '' : ', and the policy defines no such host';
        return `there is no device ${quote(alias.name)}${hosts}`;
      }
      case 'any':
      case 'user':
      case 'domain':
      case 'autogroup':
      case 'prefix':
        return undefined;
    }
  }

  /** Who was probably meant: a user by a bare name, a device or what the policy defines that is spelt alike. */
  #suggestion(text: string): string | undefined {
    const { policy } = this.#engine;
    for (const { name } of this.#engine.users()) if (name === text) return askFor(`${text}@`);
    const devices = [...this.#engine.nodes()].map((node) => this.#name(node));
    const defined = {
      groups: new Set(policy.groups.keys()),
      tags: new Set(policy.tagOwners.keys()),
      hosts: policy.hosts,
      ipsets: new Set(policy.ipsets.keys()),
    };
    const meant =
      meantBy(text, defined, NAMED) ??
      nearest(text, devices) ??
      nearest(text, [...defined.groups, ...defined.tags, ...defined.ipsets]);
    return meant === undefined ? undefined : askFor(meant);
  }

  /** The ends of an alias; `autogroup:self` means none without {@link ownOf}. */
  meant(alias: Alias): readonly End[] {
    switch (alias.kind) {
      case 'prefix':
        return this.#inPrefix(alias.prefix);
      case 'host': {
        const prefix = this.#engine.policy.hosts.get(alias.name);
        return prefix === undefined ? [] : this.#inPrefix(prefix);
      }
      case 'ipset':
        return (this.#engine.policy.ipsets.get(alias.name) ?? []).flatMap((prefix) =>
          this.#inPrefix(prefix),
        );
      case 'autogroup':
        if (alias.name === 'internet') {
          return [
            { node: undefined, addresses: EXIT_ROUTES, internet: true, name: 'the internet' },
          ];
        }
        return this.#devices(alias);
      case 'any':
      case 'user':
      case 'domain':
      case 'group':
      case 'tag':
        return this.#devices(alias);
    }
  }

  /** What `autogroup:self` means to a device: those of its user, itself included. */
  ownOf(source: End): readonly End[] {
    const { node } = source;
    if (node === undefined || node.tags.length > 0) return [];
    if (!isPresent(source)) return [source];
    const own: End[] = [];
    for (const other of this.#engine.nodes()) {
      if (sharesOwner(node, other)) own.push(this.device(other));
    }
    return own;
  }

  #devices(alias: Alias): readonly End[] {
    const devices = this.#engine.resolver.nodesOf(alias).map((node) => this.device(node));
    if (alias.kind === 'tag' && devices.length === 0) {
      return [standIn({ tags: [alias.name] }, `a device with ${alias.name}`)];
    }
    const ends = [...devices, ...this.#standIns(alias)];
    return ends.length > 0 ? ends : newcomers(this.#engine.policy, alias);
  }

  /** Devices that users without any would have, as far as an alias means these users. */
  #standIns(alias: Alias): readonly End[] {
    if (alias.kind === 'any' || alias.kind === 'tag') return [];
    this.#withoutDevice ??= usersWithoutDevice(this.#engine);
    return this.#withoutDevice.flatMap((user) => {
      const end = standIn(
        { userId: user.id },
        `a device of ${user.email === '' ? user.name : user.email}`,
      );
      return end.node !== undefined && this.#engine.resolver.matches(alias, end.node) ? [end] : [];
    });
  }

  /** A device with all its addresses. */
  device(node: PolicyNode): End {
    return {
      node,
      addresses: node.addresses.map(singlePrefix),
      internet: false,
      name: this.#name(node),
    };
  }

  #inPrefix(prefix: Prefix): readonly End[] {
    if (prefix.bits === ADDRESS_BITS[prefix.network.family]) {
      const node = this.#engine.nodeAt(prefix.network);
      if (node !== undefined) return [{ ...this.device(node), addresses: [prefix] }];
      return [outside(prefix)];
    }
    const devices = this.#engine.resolver.nodesOf({ kind: 'prefix', prefix }).map((node) => ({
      ...this.device(node),
      addresses: node.addresses.map(singlePrefix).filter((own) => containsPrefix(prefix, own)),
    }));
    return [...devices, outside(prefix)];
  }
}

/** What a question may name beside users, who may come one day. */
const NAMED: Taken = {
  kinds: new Set(['group', 'tag', 'autogroup', 'ipset', 'host']),
  autogroups: new Set(AUTOGROUPS),
};

function undefinedIn({ kind, name }: Extract<Alias, { readonly name: string }>): string {
  return `the policy defines no ${kind} ${quote(name)}`;
}

/** The side of a flow as a value for programs. */
export function referEnd(end: End): EndReference {
  const [address] = end.addresses;
  return {
    node: end.node === undefined || end.node.id === STAND_IN_ID ? null : end.node.id,
    address: address === undefined || end.addresses === EXIT_ROUTES ? null : formatRange(address),
  };
}

/** Whether an end is a device of the tailnet, not one that only stands for what could be. */
export function isPresent(end: End): end is End & { readonly node: PolicyNode } {
  return end.node !== undefined && end.node.id !== STAND_IN_ID;
}

/** Whether an alias means a user who has not come yet: by name, alone or in a group. */
export function meansNewcomer(policy: Policy, alias: Alias, name: string): boolean {
  switch (alias.kind) {
    case 'any':
      return true;
    case 'user':
      return alias.name === name;
    case 'domain':
      return name.toLowerCase().endsWith(`@${alias.domain.toLowerCase()}`);
    case 'group':
      return policy.groups.get(alias.name)?.some(({ value }) => value === name) === true;
    case 'autogroup':
      return alias.name === 'member';
    case 'tag':
    case 'host':
    case 'ipset':
    case 'prefix':
      return false;
  }
}

/** Whether both ends are devices of one user. */
export function belongTogether(source: End, destination: End): boolean {
  if (source.node === undefined || destination.node === undefined) return false;
  if (source.newcomer !== undefined) return source.newcomer === destination.newcomer;
  return sharesOwner(source.node, destination.node);
}

function standIn(of: Partial<PolicyNode>, name: string): End {
  return { node: { ...UNKNOWN_NODE, ...of }, addresses: [], internet: false, name };
}

/** For a user, or a group of users, of whom none has come yet. */
function newcomers(policy: Policy, alias: Alias): readonly End[] {
  const names =
    alias.kind === 'user'
      ? [alias.name]
      : alias.kind === 'group'
        ? (policy.groups.get(alias.name) ?? []).map(({ value }) => value)
        : [];
  return names.map((name) => ({ ...standIn({}, `a device of ${name}`), newcomer: name }));
}

function outside(prefix: Prefix): End {
  return {
    node: undefined,
    addresses: [prefix],
    internet: isInternet(prefix),
    name: formatRange(prefix),
  };
}

function usersWithoutDevice(engine: Explainable): readonly PolicyUser[] {
  const owners = new Set<number | undefined>();
  for (const node of engine.nodes()) if (node.tags.length === 0) owners.add(node.userId);
  return [...engine.users()].filter((user) => !owners.has(user.id));
}
