/**
 * What malla cannot do (yet), said before it starts: a setting that asks for such a thing is an error
 * when ignoring it would change who gets in or where data goes, and a note otherwise.
 */
import { isDeepStrictEqual } from 'node:util';
import { KEY_NAMES, keyOf, type KeyName } from './keys/table.ts';
import type { Settings } from './settings.ts';

export function checkRefusals(settings: Settings): void {
  if (settings.get('tls_letsencrypt_hostname') !== '') refuse(settings, 'tls_letsencrypt_hostname');
  if (settings.get('database.type') === 'postgres') refuse(settings, 'database.type');
  // Of a section that is to be taken out nothing else needs mending.
  if ((settings.get('oidc.issuer') ?? '') !== '') refuse(settings, 'oidc.issuer');
  noteUnused(settings);
}

function refuse(settings: Settings, name: KeyName): void {
  settings.problem(name, keyOf(name).refused ?? 'not supported');
}

/** One note for all keys that have no effect for the same reason. */
function noteUnused(settings: Settings): void {
  const byReason = new Map<string, KeyName[]>();
  for (const name of KEY_NAMES) {
    const { unused, only, fallback } = keyOf(name);
    const reason = unused ?? (only === undefined ? undefined : `it needs ${only}`);
    if (reason === undefined || !settings.isSet(name) || settings.isBroken(name)) continue;
    if (isDeepStrictEqual(settings.get(name), fallback)) continue;
    const names = byReason.get(reason);
    if (names === undefined) byReason.set(reason, [name]);
    else names.push(name);
  }
  for (const [reason, [first, ...others]] of byReason) {
    if (first === undefined) continue;
    const more =
      others.length === 0
        ? ''
        : `, nor ${others.length === 1 ? 'has' : 'have'} ${others.join(', ')}`;
    settings.note(first, `has no effect${more}: ${reason}`);
  }
}
