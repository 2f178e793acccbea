/**
 * What a shell has to know, as tables: every shell's script is the same walk over them in its own language.
 * The walk starts at the root path, follows command words, skips flags and their values, and then offers
 * the values of a pending flag, or flags, or commands.
 */
import { flatten, type CommandEntry, type FlagEntry } from './tree.ts';

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** What may follow a flag, or stand as an argument. */
export type Values = 'files' | 'any' | readonly string[];

export interface FlagFacts {
  /** All its spellings. */
  readonly spellings: readonly string[];
  readonly values: Values;
}

export interface PathFacts {
  readonly path: string;
  /** Words that lead on, and where. */
  readonly steps: readonly { readonly words: readonly string[]; readonly path: string }[];
  readonly commands: readonly Candidate[];
  readonly flags: readonly Candidate[];
  /** Flags of its own that take a value. */
  readonly valued: readonly FlagFacts[];
  readonly argument: Values;
}

export interface Facts {
  readonly name: string;
  readonly paths: readonly PathFacts[];
  /** Flags that every path takes. */
  readonly globalFlags: readonly Candidate[];
  readonly globalValued: readonly FlagFacts[];
}

/** Gathers the tables from the tree. */
export function completionFacts(root: CommandEntry): Facts {
  const help: Candidate = { word: '--help', description: 'Show help' };
  return {
    name: root.name,
    paths: flatten(root).map((entry) => ({
      path: entry.path,
      steps: entry.children.map(({ name, aliases, path }) => ({ words: [name, ...aliases], path })),
      commands: entry.children.map(({ name, summary }) => ({ word: name, description: summary })),
      flags: entry === root ? [] : entry.flags.map(candidate),
      valued: entry === root ? [] : entry.flags.flatMap(valued),
      argument: argumentValues(entry),
    })),
    globalFlags: [...root.flags.map(candidate), help],
    globalValued: root.flags.flatMap(valued),
  };
}

function candidate({ long, description }: FlagEntry): Candidate {
  return { word: long, description };
}

function valued({ short, long, value, choices }: FlagEntry): FlagFacts[] {
  if (value === undefined) return [];
  const spellings = short === undefined ? [long] : [long, short];
  return [{ spellings, values: choices.length > 0 ? choices : isFile(value) ? 'files' : 'any' }];
}

function argumentValues(entry: CommandEntry): Values {
  if (entry.choices.length > 0) return entry.choices;
  return isFile(entry.arguments) ? 'files' : 'any';
}

function isFile(name: string): boolean {
  return /\b(?:FILE|DIR)\b/.test(name);
}
