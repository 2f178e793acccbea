/**
 * A guide of `docs/guide` as its tests read it: the blocks of code below each heading. A test takes the blocks
 * that it tries, and says in the end that none is left: so whatever a guide shows was run as it stands.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FENCE = /^( *)(`{3,})([^`\n]*)\n(.*?)^\1\2$/gms;

/** One block of code. */
export interface Block {
  /** Where it stands, as `docs/guide/dns.md:12`. */
  readonly at: string;
  /** The nearest heading above, without its marks; the title at first. */
  readonly heading: string;
  /** What the fence says, such as `sh`; empty where it says nothing. */
  readonly language: string;
  /** With a newline at its end, and without the indent of a list. */
  readonly text: string;
}

export class Guide {
  readonly #path: string;
  readonly #text: string;
  readonly #blocks: readonly Block[];
  readonly #taken = new Set<Block>();

  /** By its path from the root of the repository, such as `docs/guide/dns.md`. */
  constructor(path: string) {
    this.#path = path;
    this.#text = readFileSync(join(ROOT, path), 'utf8');
    this.#blocks = blocksOf(path, this.#text);
  }

  /** What the guide quotes in a sentence, in backticks, that begins like this. */
  quoted(begin: string): string {
    const at = this.#text.indexOf(`\`${begin}`) + 1;
    assert.notEqual(at, 0, `${this.#path} quotes “${begin}…”`);
    return this.#text.slice(at, this.#text.indexOf('`', at));
  }

  /** The only block of this language below a heading, or the one of a number where there are more. */
  take(heading: string, language: string, nth?: number): Block {
    const here = this.#blocks.filter(
      (block) => block.heading === heading && block.language === language,
    );
    if (nth === undefined) {
      assert.equal(here.length, 1, `${this.#path}: one block of ${language} below “${heading}”`);
    }
    const block = here[nth ?? 0];
    assert.ok(block, `${this.#path}: block ${nth} of ${language} below “${heading}”`);
    this.#taken.add(block);
    return block;
  }

  /** Leaves what is below a heading to another test, which takes it. */
  leave(heading: string): void {
    const here = this.#blocks.filter((block) => block.heading === heading);
    assert.notEqual(here.length, 0, `${this.#path}: blocks below “${heading}”`);
    for (const block of here) this.#taken.add(block);
  }

  /** Says that every block was taken. */
  assertAllTaken(): void {
    this.#assertTaken(this.#blocks);
  }

  /** Says that every block below these headings was taken; others are another test's. */
  assertTakenBelow(headings: readonly string[]): void {
    this.#assertTaken(this.#blocks.filter(({ heading }) => headings.includes(heading)));
  }

  #assertTaken(blocks: readonly Block[]): void {
    const left = blocks.filter((block) => !this.#taken.has(block));
    assert.deepEqual(
      left.map(({ at, heading, language }) => `${at} (${language} below “${heading}”)`),
      [],
      'blocks that no test has tried',
    );
  }
}

/** All blocks of a Markdown text. */
export function blocksOf(path: string, markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  let heading = '';
  let end = 0;
  for (const match of markdown.matchAll(FENCE)) {
    const [whole, indent = '', , info = '', text = ''] = match;
    const headings = [...markdown.slice(end, match.index).matchAll(/^#+ (.+)$/gm)];
    heading = headings.at(-1)?.[1] ?? heading;
    end = match.index + whole.length;
    blocks.push({
      at: `${path}:${markdown.slice(0, match.index).split('\n').length}`,
      heading,
      language: info.trim(),
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    });
  }
  return blocks;
}
