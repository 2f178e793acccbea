/**
 * A look at a configuration file for the few keys that a command needs to reach its server, without a YAML
 * library: it understands files that say these keys plainly, as nearly all do, and of any other knows that
 * it does not. What it finds is what document.ts finds, which a test holds.
 */
import type { Given } from './given.ts';

/** Keys that a command needs, all of them at the top; those of `cli` it leaves to the library. */
const WANTED: ReadonlySet<string> = new Set(['unix_socket', 'data_dir']);

/** A key at the top and what follows it; what is indented belongs to it. */
const TOP = /^([A-Za-z][\w.-]*):(?:[ \t]+(.*))?$/;
/** A path, bare or quoted without escapes, and perhaps a remark. */
const PLAIN_PATH = /^(?:([./][\w./-]*)|'([./][\w./ -]*)'|"([./][\w./ -]*)")[ \t]*(?:[ \t]#.*)?$/;

/** Quoted text, a list or a map that ends on its line: one that goes on below could hold anything. */
const CLOSED = /^(?:"[^"\\]*"|'[^']*'|\[[^[\]{}"']*\]|\{[^[\]{}"']*\})[ \t]*(?:[ \t]#.*)?$/;

/** By key, as {@link readDocument} has it; undefined where the file must be read in full. `source` is for messages. */
export function glance(text: string, source: string): ReadonlyMap<string, Given> | undefined {
  const given = new Map<string, Given>();
  let hasBegun = false;
  let markers = 0;
  let isWanted = false;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^[ \t]*(?:#.*)?$/.test(line) || (!hasBegun && line === '---' && markers++ === 0)) continue;
    const isFirst = !hasBegun;
    hasBegun = true;
    if (line.startsWith(' ') && !isFirst) {
      // Text goes on in lines that are indented.
      if (isWanted) return undefined;
      continue;
    }
    const [, name = '', rest = ''] = TOP.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === '' || key === 'cli' || key.startsWith('cli.')) return undefined;
    if (/^["'[{]/.test(rest) && !CLOSED.test(rest)) return undefined;
    isWanted = WANTED.has(key);
    if (!isWanted) continue;
    const match = PLAIN_PATH.exec(rest);
    const value = match?.[1] ?? match?.[2] ?? match?.[3];
    if (value === undefined || given.has(key)) return undefined;
    given.set(key, { source, line: index + 1, value, text: value });
  }
  return given;
}
