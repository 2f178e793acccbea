/**
 * Application capabilities: the names and values of `app` in grants and node attributes.
 *
 * Source: Tailscale's grants syntax §Application layer capabilities. Observed: the hosted service, April 2026.
 */
import type { AppCapabilities } from '../../policy.ts';
import { type ProblemList, quote } from '../reading/problem.ts';
import { readEntries, readJson, readList, type Value } from '../reading/read.ts';

const OWN_DOMAIN = 'tailscale.com/';

/** What a policy may grant between nodes; other names of that domain are given by the server itself. */
export const GRANTABLE: ReadonlySet<string> = new Set(
  [
    'aperture',
    'drive',
    'golink',
    'kubernetes',
    'proxy-to-grafana',
    'relay',
    'secrets',
    'tailsql',
    'tsidp',
    'webui',
  ].map((name) => `${OWN_DOMAIN}cap/${name}`),
);

/** What a policy may give a node for itself. */
export const ASSIGNABLE: ReadonlySet<string> = new Set([`${OWN_DOMAIN}app-connectors`]);

/** Reads `app`; undefined if it is absent or empty. */
export function readCapabilities(
  problems: ProblemList,
  at: Value | undefined,
  own: ReadonlySet<string>,
): AppCapabilities | undefined {
  const entries = readEntries(problems, at);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map(({ name, place, value }) => {
      const fault = nameFault(name, own);
      if (fault !== undefined) problems.add(place, fault, `${quote(name)} is not such a name`);
      return [name, readList(problems, value).map((item) => readJson(problems, item))];
    }),
  );
}

function nameFault(name: string, own: ReadonlySet<string>): string | undefined {
  if (!/^[^/:\s]+\/[^\s:][^\s]*$/.test(name)) {
    return 'capability name must have the form {domain}/{path}';
  }
  if (name.startsWith(OWN_DOMAIN) && !own.has(name)) {
    return 'capability name must not be in the tailscale.com domain';
  }
  return undefined;
}
