/**
 * What `-o` prints of users, nodes and keys: each member under the REST API's name and under the one that
 * headscale's releases print up to 0.29 (`givenName` and `given_name`), so that scripts for either work.
 * Where both have one name the release's value stands (decision 0032). Not for other answers.
 *
 * Source: headscale 0.26 to 0.29, whose command line prints its protobuf messages as Go's encoding/json does.
 */
import type { ApiKey, Node, PreAuthKey, RegisterMethod, User } from '@malla/api/v1/schemas';

/** Values that are printed in both spellings. */
export type Spelled = User | Node | PreAuthKey | ApiKey;

/** By the number that a release prints for it. */
const REGISTER_METHODS: readonly RegisterMethod[] = [
  'REGISTER_METHOD_UNSPECIFIED',
  'REGISTER_METHOD_AUTH_KEY',
  'REGISTER_METHOD_CLI',
  'REGISTER_METHOD_OIDC',
];

const TIMES: ReadonlySet<string> = new Set(['createdAt', 'lastSeen', 'expiry', 'expiration']);

/** The value with each member under both its names; those of a member that is one of these as well. */
export function inBothSpellings(value: Spelled): Readonly<Record<string, unknown>> {
  const made: Record<string, unknown> = {};
  for (const [name, member] of Object.entries<unknown>(value)) {
    const released = snakeCase(name);
    if (released !== name) made[name] = isSpelled(member) ? inBothSpellings(member) : member;
    const printed = releasedValue(name, member);
    if (printed !== undefined) made[released] = printed;
    // Until 0.27 the tags that a node has were called so.
    if (name === 'tags') made['forced_tags'] = printed;
  }
  return made;
}

/** What a release prints; undefined: it leaves the member out. */
function releasedValue(name: string, member: unknown): unknown {
  if (name === 'id' && typeof member === 'string') return Number(member);
  if (name === 'registerMethod') {
    const number = REGISTER_METHODS.findIndex((method) => method === member);
    return number === -1 ? undefined : number;
  }
  if (TIMES.has(name)) return typeof member === 'string' ? timestamp(member) : undefined;
  if (isSpelled(member)) return inBothSpellings(member);
  return member === null && snakeCase(name) !== name ? undefined : member;
}

/** An RFC 3339 time as a protobuf Timestamp. */
function timestamp(text: string): { readonly seconds: number; readonly nanos: number } {
  const [, fraction = ''] = /\.(\d{1,9})/.exec(text) ?? [];
  const seconds = Math.floor(Date.parse(text) / 1000);
  return { seconds, nanos: Number(fraction.padEnd(9, '0')) };
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isSpelled(member: unknown): member is Spelled {
  return typeof member === 'object' && member !== null && !Array.isArray(member);
}
