/** The licences of what is shipped with malla, as one text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Shipped {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** Where it is installed. */
  readonly folder: string;
}

const LICENCE = /^(?:licen[cs]e|notice|copying)(?:[.-].*)?$/i;
const RULE = `${'='.repeat(80)}\n`;

/** Throws for a package that comes without the text of its licence. */
export function notices(packages: readonly Shipped[]): string {
  const sections = packages.map(({ name, version, license, folder }) => {
    const files = readdirSync(folder).filter((file) => LICENCE.test(file));
    if (files.length === 0) throw new Error(`${name} ${version} comes without its licence's text`);
    const texts = files.toSorted().map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return `${RULE}${name} ${version} (${license})\n${RULE}\n${texts.join('\n\n')}\n`;
  });
  return `malla comes with these works of others, each under its own licence.\n\n${sections.join('\n')}`;
}
