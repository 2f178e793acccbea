/**
 * Node attributes: what `nodeAttrs` give to nodes, by name and as application values, and their addresses.
 *
 * Source: Tailscale's policy file syntax §Node attributes. Observed: the hosted service, May 2026.
 */
import type { NodeAttributes } from '../../policy.ts';
import { ASSIGNABLE, readCapabilities } from '../words/capabilities.ts';
import { readPool } from './pools.ts';
import { quote } from '../reading/problem.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readTexts,
  type Value,
} from '../reading/read.ts';
import { readAliases, type Scope, TARGET } from '../words/selectors.ts';
import { UNSUPPORTED_ATTRIBUTES } from './unsupported.ts';

const FIELDS: FieldTable<'target' | 'attr' | 'app' | 'ipPool'> = {
  names: ['target', 'attr', 'app', 'ipPool'],
};

/** Reads `nodeAttrs`. */
export function readNodeAttributes(scope: Scope, at: Value | undefined): readonly NodeAttributes[] {
  const { problems, warnings } = scope;
  return readList(problems, at).map((entry) => {
    const fields = readFields(problems, entry, FIELDS);
    const targets = readAliases(scope, TARGET, fields.target);
    return {
      place: placeOf(entry),
      targets,
      attributes: readTexts(problems, fields.attr).flatMap(({ text, value }) => {
        const place = placeOf(value);
        if (text === '') problems.add(place, 'an attribute cannot be empty');
        const vain = UNSUPPORTED_ATTRIBUTES.get(text);
        if (vain === undefined) return [{ value: text, place }];
        warnings.add(place, `${quote(text)} has no effect: ${vain.why}`, vain.instead);
        return [];
      }),
      app: readCapabilities(problems, fields.app, ASSIGNABLE),
      pool: readPool(problems, fields.ipPool, targets),
    };
  });
}
