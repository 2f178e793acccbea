/** What tests/interop/scenarios.md says of headscale's scenarios: each has a test that exists, or a reason why not. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LIST = 'tests/interop/scenarios.md';
/** Where this project's notes on headscale are, on machines of who develops it. */
const NOTES = join(ROOT, '../shared/spec/headscale.md');
const HOW_MANY = 158;

const GROUP = /^## (\w+)$/;
const SCENARIO = /^- (\w+)(?:: not yet: (.+))?$/;
const SHOWN_BY = /^ {2}- `([^`]+)`: `([^`]+)`$/;
/** A suite or test with its title, as it stands in a file. */
const TITLE =
  /\b(?:test|describe|describeEachVersion)\(\s*(?:'((?:\\.|[^'\\])*)'|"([^"]*)"|`([^`]*)`)/g;
const FILLED_IN = '${scenario}';

interface Scenario {
  readonly group: string;
  readonly name: string;
  readonly reason: string | undefined;
  readonly tests: { readonly file: string; readonly title: string }[];
}

describe("headscale's scenarios", () => {
  const scenarios = readList(readFileSync(join(ROOT, LIST), 'utf8'));

  test('are all there, once', () => {
    const names = new Set(scenarios.map(({ name }) => name));
    assert.equal(names.size, scenarios.length);
    assert.equal(names.size, HOW_MANY);
  });

  test(
    'are those that headscale has',
    { skip: !existsSync(NOTES) && 'needs ../shared/spec' },
    () => {
      assert.deepEqual(
        scenarios.map(({ group, name }) => [group, name]),
        readNotes(readFileSync(NOTES, 'utf8')),
      );
    },
  );

  test('have a test or a reason why not, never both', () => {
    const wrong = scenarios.filter(
      ({ reason, tests }) => (reason === undefined) === (tests.length === 0),
    );
    assert.deepEqual(wrong, []);
  });

  test('have tests that exist, and that name the scenario where titles are filled in', () => {
    const missing: string[] = [];
    const files = new Map<string, string>();
    for (const { name, tests } of scenarios) {
      for (const { file, title } of tests) {
        const path = join(ROOT, file);
        const text = files.get(file) ?? (existsSync(path) ? readFileSync(path, 'utf8') : '');
        files.set(file, text);
        if (!titlesOf(text).has(title)) missing.push(`${name}: ${file} has no “${title}”`);
        else if (title.includes(FILLED_IN) && !text.includes(`'${name}'`)) {
          missing.push(`${name}: ${file} does not name it`);
        }
      }
    }
    assert.deepEqual(missing, []);
  });
});

test('titles are found however they are quoted and wrapped', () => {
  const text = "test('a', f);\n  describe(\n    \"b's\", f); test(`c ${d}`, f); it.test('e\\'s')";
  assert.deepEqual([...titlesOf(text)], ['a', "b's", 'c ${d}', "e's"]);
});

/** What the list says. Every line of it below a heading must be understood. */
function readList(markdown: string): readonly Scenario[] {
  const scenarios: Scenario[] = [];
  let group: string | undefined;
  for (const line of markdown.split('\n')) {
    const [, heading] = GROUP.exec(line) ?? [];
    if (heading !== undefined) group = heading;
    if (heading !== undefined || group === undefined || line === '') continue;
    const [, name, reason] = SCENARIO.exec(line) ?? [];
    const [, file, title] = SHOWN_BY.exec(line) ?? [];
    if (name !== undefined) scenarios.push({ group, name, reason, tests: [] });
    else if (file !== undefined && title !== undefined) {
      scenarios.at(-1)?.tests.push({ file, title });
    } else assert.fail(`${LIST}: ${line}`);
  }
  return scenarios;
}

/** The names in the notes, with the file of headscale that each is in. */
function readNotes(markdown: string): readonly (readonly [string, string])[] {
  const groups = markdown.matchAll(/^ {2}- \*\*(\w+)\*\* \((\d+)\): (.+)$/gm);
  return [...groups].flatMap(([, group = '', count, list = '']) => {
    const names = list.split(', ');
    assert.equal(names.length, Number(count), group);
    return names.map((name) => [group, name] as const);
  });
}

function titlesOf(source: string): ReadonlySet<string> {
  return new Set(
    [...source.matchAll(TITLE)].map(([, single, double, template]) =>
      (single ?? double ?? template ?? '').replaceAll(/\\(.)/g, '$1'),
    ),
  );
}
