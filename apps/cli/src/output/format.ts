/**
 * Output for programs: `json` (indented by tabs), `json-line` (one line) and `yaml`. What
 * the values have is the business of the commands, see both-spellings.ts.
 */

export const OUTPUT_FORMATS = ['json', 'json-line', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/**
 * What terminals obey or reorder, and JSON and YAML may have as it is; those below U+0020 they never have.
 * Between double quotes an escape says the same in both.
 */
const UNSHOWN = /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The value as text that ends with a newline. */
export async function formatValue(value: unknown, format: OutputFormat): Promise<string> {
  switch (format) {
    case 'json':
      return escaped(`${JSON.stringify(value, undefined, '\t')}\n`);
    case 'json-line':
      return escaped(`${JSON.stringify(value)}\n`);
    case 'yaml': {
      const { stringify } = await import('yaml');
      const text = stringify(value, { lineWidth: 0 });
      if (text.search(UNSHOWN) === -1) return text;
      const quoted = { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: null } as const;
      return escaped(stringify(value, { lineWidth: 0, ...quoted }));
    }
  }
}

/** Of text in which they stand between double quotes, if anywhere. */
function escaped(text: string): string {
  return text.replaceAll(
    UNSHOWN,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
