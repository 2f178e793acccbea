/** A policy's engine as the rules that fan-out goes by, with what it says as JSON, encoded once. */
import { cached } from '@malla/base/cached';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { usesIpv4 } from '@malla/policy/attributes/ipv4';
import type { Effects, PolicyEngine } from '@malla/policy/contract';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import type { RulesChange } from '../fanout/class-views.ts';
import type { ClassKey, Rules } from '../fanout/rules.ts';

/** Before the engine's name of a class: those of its nodes that use no IPv4 address, as they see others otherwise. */
const IPV6_ONLY = 'IPv6 only|';

/** The rules of a policy. Nodes must be known to the engine before they are asked about. */
export function policyRules(engine: PolicyEngine): Rules {
  // The engine answers with the same value until it differs, so values that nobody uses are let go.
  const partTexts = new WeakMap<readonly FilterRule[], string>();
  const sourceTexts = new WeakMap<readonly string[], string>();
  const sshTexts = new WeakMap<SshPolicy, string>();
  // Every view asks about the same list of what a router serves.
  const servedPrefixes = new WeakMap<readonly string[], readonly Prefix[]>();
  // Many parts share the sources, which can be thousands of texts.
  const partText = (rules: readonly FilterRule[]): string => {
    const texts = rules.map(({ SrcIPs, ...rest }) => {
      const sources = cached(sourceTexts, SrcIPs, () => JSON.stringify(SrcIPs));
      return `{"SrcIPs":${sources},${JSON.stringify(rest).slice(1)}`;
    });
    return `[${texts.join(',')}]`;
  };
  return {
    classOf: ({ id }) => {
      const node = engine.node(id);
      const key = engine.classOf(id);
      return node === undefined || usesIpv4(engine, node) ? key : IPV6_ONLY + key;
    },
    seenBy: (viewer) => engine.seenBy(engineKey(viewer)).flatMap(keysOf),
    visibleRoutes: (viewer, router, served) =>
      engine
        .visibleRoutes(
          engineKey(viewer),
          router,
          cached(servedPrefixes, served, () => served.flatMap(prefixOf)),
        )
        .map(formatPrefix),
    tellsIpv4: (viewer) => !viewer.startsWith(IPV6_ONLY),
    filter: (of) => {
      const parts = engine.filter(engineKey(of));
      return {
        keys: () => parts.keys(),
        get: (name) => {
          const rules = parts.get(name);
          return rules && cached(partTexts, rules, () => partText(rules));
        },
      };
    },
    ssh: (of) => {
      const policy = engine.ssh(engineKey(of));
      return cached(sshTexts, policy, () => JSON.stringify(policy));
    },
  };
}

/** What a change of the engine touches of its rules. */
export function rulesChange(effects: Effects): RulesChange {
  const { filters, ssh, reclassed, attributes, visibility } = effects;
  return {
    // An attribute can make a node use no IPv4 address.
    reclassed: new Set([...reclassed, ...attributes]),
    filters: new Map(
      [...filters].flatMap(([key, names]) => keysOf(key).map((each) => [each, names] as const)),
    ),
    ssh: [...ssh].flatMap(keysOf),
    attributes,
    visibility,
  };
}

/** The classes that a class of the engine is here. */
function keysOf(key: ClassKey): readonly ClassKey[] {
  return [key, IPV6_ONLY + key];
}

function engineKey(key: ClassKey): ClassKey {
  return key.startsWith(IPV6_ONLY) ? key.slice(IPV6_ONLY.length) : key;
}

function prefixOf(text: string): readonly Prefix[] {
  const prefix = parsePrefix(text);
  return prefix.ok ? [prefix.value] : [];
}
