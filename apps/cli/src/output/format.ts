/**
 * Output for programs: `json` (indented by tabs), `json-line` (one line) and `yaml`, all with the REST
 * API's names in camelCase.
 */

export const OUTPUT_FORMATS = ['json', 'json-line', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The value as text that ends with a newline. */
export async function formatValue(value: unknown, format: OutputFormat): Promise<string> {
  switch (format) {
    case 'json':
      return `${JSON.stringify(value, undefined, '\t')}\n`;
    case 'json-line':
      return `${JSON.stringify(value)}\n`;
    case 'yaml': {
      const { stringify } = await import('yaml');
      return stringify(value, { lineWidth: 0 });
    }
  }
}
