/**
 * Prints config.example.yaml and docs/reference/config.md from the table of keys, so that neither can
 * say anything else than the loader does. Run by scripts/generate-config-example.ts; a test compares.
 */
import { variableOf } from './environment.ts';
import type { Key } from './keys/key.ts';
import { describeRemoval, REMOVED_NAMES, removedKey } from './keys/removed.ts';
import { KEY_NAMES, keyOf, type KeyName } from './keys/table.ts';
import { searchPath } from './locate.ts';

const WIDTH = 98;

const EXAMPLE_HEADER = `malla's configuration: every key that has an effect, with its default. \
Generated; docs/reference/config.md has the same and the rest. A key left out, or without a value, \
has its default; only server_url has none. Relative paths start at the folder of this file. \
Durations are written 90s, 1h30m or 90d. A dotted key is a key in sections. Every key can be set by environment too: \
dns.base_domain is ${variableOf('dns.base_domain')}. \
Check a changed file with: malla configtest`;

/** The text of config.example.yaml. */
export function renderExample(): string {
  const lines = comment('', EXAMPLE_HEADER);
  const names = KEY_NAMES.filter((name) => isInExample(keyOf(name)));
  const set = names.filter((name) => keyOf(name).example !== undefined);
  let open: readonly string[] = [];
  for (const name of names) {
    const parts = name.split('.');
    const sections = openSections(parts.slice(0, -1), set);
    lines.push('');
    for (const [depth, section] of sections.entries()) {
      if (sections.slice(0, depth + 1).every((part, i) => part === open[i])) continue;
      lines.push(`${'  '.repeat(depth)}${section}:`);
    }
    open = sections;
    lines.push(
      ...exampleOf(name, parts.slice(sections.length).join('.'), '  '.repeat(sections.length)),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Keys that cannot have an effect are only in the reference. */
function isInExample({ example, unused, only, refused, deprecated }: Key<unknown>): boolean {
  return example !== undefined || (unused ?? only ?? refused ?? deprecated) === undefined;
}

/** The sections around a key in which the example sets something; below them keys are dotted. */
function openSections(sections: readonly string[], set: readonly KeyName[]): readonly string[] {
  const count = sections.findIndex((_, i) => {
    const section = `${sections.slice(0, i + 1).join('.')}.`;
    return !set.some((name) => name.startsWith(section));
  });
  return count === -1 ? sections : sections.slice(0, count);
}

function exampleOf(name: KeyName, shown: string, indent: string): string[] {
  const { doc, example, defaultText } = keyOf(name);
  const initial = yamlDefault(name);
  const lines = comment(indent, doc);
  if (example !== undefined) {
    if (initial === undefined || initial !== example) {
      lines.push(...comment(indent, `Default: ${initial ?? defaultText}.`));
    }
    return [...lines, `${indent}${shown}: ${example}`];
  }
  if (initial !== undefined) return [...lines, `${indent}# ${shown}: ${initial}`];
  return [...lines, ...comment(indent, `Default: ${defaultText}.`), `${indent}# ${shown}:`];
}

/** The default as YAML; `undefined` if it depends on other keys. */
function yamlDefault(name: KeyName): string | undefined {
  const { fallback, defaultText } = keyOf(name);
  if (fallback === undefined) return undefined;
  if (Array.isArray(fallback) && !defaultText.startsWith('[')) {
    return `[${defaultText.split(' ').join(', ')}]`;
  }
  if (defaultText === '' || /^0\d/.test(defaultText)) return `'${defaultText}'`;
  return defaultText;
}

function comment(indent: string, text: string): string[] {
  return wrap(text, WIDTH - indent.length - 2).map((line) => `${indent}# ${line}`);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** The text of docs/reference/config.md. */
export function renderReference(): string {
  const used = KEY_NAMES.filter((name) => isInExample(keyOf(name)));
  const later = KEY_NAMES.filter((name) => !used.includes(name));
  return `# Configuration

Generated from the table of keys in \`apps/control/src/config/keys\` by
\`scripts/generate-config-example.ts\`.

## Where it comes from

The file that \`-c\` names; else the one that \`MALLA_CONFIG\` or \`HEADSCALE_CONFIG\` names; else the first
\`config.yaml\` or \`config.json\` in ${listOf(searchPath('~').map(code))}. Without any, malla
serves this machine with everything under \`./data\`.

headscale's \`config.yaml\` is taken as it is, of any release from 0.22 on. A key without a value (null, or
empty text where that says nothing) is as if it were absent, and so are items of a list without one. A key
that does nothing here is noted; one that is not known is warned of, or refused where it is a known one
with a letter or two wrong; one that asks for what malla cannot do is refused when ignoring it would change who
gets in. \`malla configtest\` shows all of it at once, with lines.

Every key can be set by environment: \`MALLA_\` and the key in upper case with \`_\` for \`.\`, as in
\`${variableOf('dns.base_domain')}\`; lists are separated by spaces or commas, or written as JSON,
as maps and lists of records are: \`${variableOf('dns.nameservers.split')}={"corp.example":["10.0.0.53"]}\`. An
empty variable is as if absent, one that holds only a space an empty list.
\`HEADSCALE_\` instead of \`MALLA_\` works too, and loses. Flags win over the environment, the environment
over the file. A key ending in \`_path\` that names a file with a secret is also found as \`..._FILE\`.

Durations are written \`90s\`, \`1h30m\`, \`90d\`; units are ms, s, m, h, d, w, y. Relative paths start at the
folder of the file.

## Keys

${bySection(used).join('\n\n')}

## Keys of headscale that have no effect, or not yet

${laterByReason(later).join('\n')}

## Keys that are no longer

${REMOVED_NAMES.map((name) => `- ${code(name)}: ${removalOf(name)}`).join('\n')}
`;
}

function bySection(names: readonly KeyName[]): string[] {
  const out: string[] = [];
  let section: string | undefined;
  for (const name of names) {
    const own = name.includes('.') ? name.slice(0, name.indexOf('.')) : '';
    if (own !== section && own !== '') out.push(`### ${own}`);
    section = own;
    out.push(describe(name));
  }
  return out;
}

function describe(name: KeyName): string {
  const { doc, defaultText, own } = keyOf(name);
  const initial = yamlDefault(name);
  const shown = initial === undefined ? defaultText : code(initial);
  return `\`${name}\`${own === true ? " (malla's own)" : ''}  \n${doc}  \nDefault: ${shown}.`;
}

function laterByReason(names: readonly KeyName[]): string[] {
  const byReason = Map.groupBy(names, (name) => reasonOf(keyOf(name)));
  return [...byReason].map(([reason, group]) => `- ${group.map(code).join(', ')}: ${reason}.`);
}

function reasonOf({ unused, only, refused, deprecated }: Key<unknown>): string {
  if (refused !== undefined) return `refused; ${refused}`;
  if (deprecated !== undefined) return `still obeyed, but deprecated: ${deprecated}`;
  return unused ?? `only with ${code(only ?? '')}`;
}

function removalOf(name: string): string {
  const removed = removedKey(name);
  return removed === undefined ? '' : `${describeRemoval(removed)}.`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function listOf(items: readonly string[]): string {
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1) ?? ''}`;
}
