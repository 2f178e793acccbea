/** A policy's engine as the rules that fan-out goes by, with what it says as JSON, encoded once. */
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { PolicyEngine } from '@malla/policy/engine/contract';
import type { FilterRule, SshPolicy } from '@malla/policy/wire';
import type { Rules } from '../fanout/rules.ts';

/** The rules of a policy. Nodes must be known to the engine before they are asked about. */
export function policyRules(engine: PolicyEngine): Rules {
  // The engine answers with the same value until it differs, so values that nobody uses are let go.
  const filterTexts = new WeakMap<readonly FilterRule[], string>();
  const sshTexts = new WeakMap<SshPolicy, string>();
  return {
    classOf: ({ id }) => engine.classOf(id),
    sees: (viewer, seen) => engine.sees(viewer, seen),
    visibleRoutes: (viewer, router, served) =>
      engine.visibleRoutes(viewer, router, served.flatMap(prefixOf)).map(formatPrefix),
    filter: (of) => {
      const texts = new Map<string, string>();
      for (const [name, rules] of engine.filter(of)) {
        texts.set(name, textOf(filterTexts, rules));
      }
      return texts;
    },
    ssh: (of) => textOf(sshTexts, engine.ssh(of)),
  };
}

function textOf<Value extends object>(texts: WeakMap<Value, string>, value: Value): string {
  let text = texts.get(value);
  if (text === undefined) texts.set(value, (text = JSON.stringify(value)));
  return text;
}

function prefixOf(text: string): readonly Prefix[] {
  const prefix = parsePrefix(text);
  return prefix.ok ? [prefix.value] : [];
}
