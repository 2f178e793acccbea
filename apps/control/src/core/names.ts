/**
 * Node names: one DNS label each, unique in the tailnet. A client's hostname is made into a label; an
 * administrator's choice is checked and taken as it is.
 *
 * Source: RFC 1035 §2.3.1 and RFC 1123 §2.1. Observed: clients and headscale 0.29 turn the same
 * hostname into the same label, so a node keeps its name when a server is replaced.
 */
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';

/** RFC 1035 §2.3.4. */
export const MAX_LABEL_BYTES = 63;
/** The label of a hostname in which nothing can be used. */
const NAMELESS = 'node';
/** What operating systems append to a hostname and nobody means by it. */
const COMMON_SUFFIXES = ['.local', '.localdomain', '.lan'];
/** Become a hyphen inside a label; anything else that is not allowed is dropped. */
const SEPARATORS = ' .@_';

/**
 * Names that programs look up to find their own machine, a proxy or a router. With the tailnet as search
 * domain they would ask the node of such a name, and do as it says: nobody may have one.
 *
 * - `wpad`, `isatap`: browsers take their proxy, Windows its tunnel from whoever has the name; DNS servers
 *   of Windows answer neither (GlobalQueryBlockList)
 * - `localhost` and the others of RFC 6761 §6.3 and of the hosts files of Debian, Red Hat and macOS: this
 *   machine, which not every system's file knows by each of them. `localdomain`, for what is below a node's
 *   name: `localhost.localdomain`
 */
const RESERVED: ReadonlySet<string> = new Set(
  `wpad isatap
  localhost localhost4 localhost6 loopback broadcasthost
  localdomain localdomain4 localdomain6
  ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts`.split(
    /\s+/,
  ),
);

export type NameFault =
  | 'empty'
  | 'too-long'
  | 'upper-case'
  | 'bad-character'
  | 'bad-edge'
  | 'punycode'
  | 'reserved';

/** How a name of other letters is written in DNS (RFC 5890 §2.3.2.1). */
const PUNYCODE = 'xn--';

/** Whether a label means something else to programs than a node, or looks otherwise than it is. */
export function isReserved(label: string): boolean {
  return RESERVED.has(label) || label.startsWith(PUNYCODE);
}

/** The label for what a client calls itself: any text gives a valid one. */
export function labelFor(hostname: string): string {
  let trimmed = hostname;
  for (const suffix of COMMON_SUFFIXES) {
    if (trimmed.endsWith(suffix)) trimmed = trimmed.slice(0, -suffix.length);
  }
  // The limit counts bytes before anything is dropped; a character cut in half is dropped anyway.
  const text = fromUtf8(utf8(trimmed.slice(0, MAX_LABEL_BYTES)).subarray(0, MAX_LABEL_BYTES));
  let label = '';
  for (const char of text.replace(/^[^a-zA-Z0-9]+/, '').replace(/[^a-zA-Z0-9]+$/, '')) {
    if (SEPARATORS.includes(char)) label += '-';
    else if (/[a-zA-Z0-9-]/.test(char)) label += char.toLowerCase();
  }
  // Browsers show what stands behind it as other letters, which may look like another node's name.
  label = label.replace(/^xn-+/, 'xn-');
  return label === '' ? NAMELESS : label;
}

/**
 * The wanted label, or with the first free of `-1`, `-2`, … behind it where it is taken or reserved. Asks
 * `taken` a logarithmic number of times, so that thousands of machines of one name register fast; hence a
 * number freed in the middle may stay unused.
 */
export function uniqueName(wanted: string, taken: (name: string) => boolean): string {
  if (!isReserved(wanted) && !taken(wanted)) return wanted;
  let free = 1;
  while (taken(numbered(wanted, free))) free *= 2;
  let used = Math.floor(free / 2);
  while (free - used > 1) {
    const middle = Math.floor((used + free) / 2);
    if (taken(numbered(wanted, middle))) used = middle;
    else free = middle;
  }
  return numbered(wanted, free);
}

/** Whether an administrator may give a node this name. */
export function checkName(name: string): Result<string, NameFault> {
  if (name === '') return fail('empty');
  if (name.length > MAX_LABEL_BYTES) return fail('too-long');
  if (/[A-Z]/.test(name)) return fail('upper-case');
  if (!/^[a-z0-9-]+$/.test(name)) return fail('bad-character');
  if (name.startsWith('-') || name.endsWith('-')) return fail('bad-edge');
  if (name.startsWith(PUNYCODE)) return fail('punycode');
  if (isReserved(name)) return fail('reserved');
  return ok(name);
}

function numbered(label: string, number: number): string {
  const suffix = `-${number}`;
  return label.slice(0, MAX_LABEL_BYTES - suffix.length).replace(/-+$/, '') + suffix;
}
