/** The pictures of the README are made from what stands beside them, and everything they show is in them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { drawTerminal } from '../scripts/terminal-picture.ts';

const PICTURES = new URL('../docs/pictures/', import.meta.url);
/** Largest, bytes: they are loaded by whoever opens the README. */
const MAX_BYTES = 8_000;

describe('pictures', () => {
  const svgs = readdirSync(PICTURES).filter((name) => name.endsWith('.svg'));

  test('are small, load nothing, and say what they show to those who do not see them', () => {
    assert.notEqual(svgs.length, 0);
    for (const name of svgs) {
      const svg = read(name);
      assert.ok(svg.length <= MAX_BYTES, name);
      assert.doesNotMatch(svg, /<script|<image|href=|@import|url\((?!#)/, name);
      assert.match(svg, /role="img" aria-label(?:ledby)?="[^"]+"/, name);
    }
  });

  test('of a terminal show the session beside them', () => {
    const label = /aria-label="([^"]*)"/.exec(read('first-tailnet.svg'))?.[1] ?? '';
    const hint = 'run: node scripts/generate-pictures.ts';
    assert.equal(read('first-tailnet.svg'), drawTerminal(read('first-tailnet.txt'), label), hint);
  });
});

function read(name: string): string {
  return readFileSync(new URL(name, PICTURES), 'utf8');
}
