/** One value as it was given, before it is understood: from the file, the environment or a flag. */

export interface Given {
  /** Path of the file, name of the environment variable, or the flag. */
  readonly source: string;
  /** In a file, from 1. */
  readonly line: number | undefined;
  /** As YAML understood it; from the environment and flags always a string. */
  readonly value: unknown;
  /** As it was written, if it was a plain scalar: `0770` is a number to YAML and a mode to us. */
  readonly text: string | undefined;
}

/** The value as one line for a message, shortened. */
export function show(given: Given): string {
  const text =
    given.text === undefined ? (JSON.stringify(given.value) ?? 'nothing') : `"${given.text}"`;
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
