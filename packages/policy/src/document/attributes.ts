/**
 * Node attributes: what `nodeAttrs` give to nodes, by name and as application values, and their addresses.
 *
 * Source: Tailscale's policy file syntax §Node attributes. Observed: the hosted service, May 2026.
 */
import type { NodeAttributes } from '../policy.ts';
import { ASSIGNABLE, readCapabilities } from './capabilities.ts';
import { readPool } from './pools.ts';
import { quote } from './problem.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readTexts,
  type Refusal,
  type Value,
} from './read.ts';
import { readAliases, type Scope, TARGET } from './selectors.ts';

const FIELDS: FieldTable<'target' | 'attr' | 'app' | 'ipPool'> = {
  names: ['target', 'attr', 'app', 'ipPool'],
};

/** Attributes that make clients offer what this server cannot give them. */
const REFUSED: ReadonlyMap<string, Refusal> = new Map([
  [
    'funnel',
    {
      why: 'this server has no way in from the internet',
      instead: 'put a reverse proxy on a public host that is in the tailnet',
    },
  ],
]);

/** Reads `nodeAttrs`. */
export function readNodeAttributes(scope: Scope, at: Value | undefined): readonly NodeAttributes[] {
  const { problems } = scope;
  return readList(problems, at).map((entry) => {
    const fields = readFields(problems, entry, FIELDS);
    const targets = readAliases(scope, TARGET, fields.target);
    return {
      place: placeOf(entry),
      targets,
      attributes: readTexts(problems, fields.attr).map(({ text, value }) => {
        const refused = REFUSED.get(text);
        const place = placeOf(value);
        if (text === '') problems.add(place, 'an attribute cannot be empty');
        if (refused !== undefined) {
          problems.add(place, `${quote(text)} is not supported: ${refused.why}`, refused.instead);
        }
        return { value: text, place };
      }),
      app: readCapabilities(problems, fields.app, ASSIGNABLE),
      pool: readPool(problems, fields.ipPool, targets),
    };
  });
}
