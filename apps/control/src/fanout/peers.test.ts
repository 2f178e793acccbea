import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { BLOCK, Peers } from './peers.ts';

/** Peers whose JSON is their id and how often they have changed. */
class Subject {
  readonly versions = new Map<number, number>();
  encodings = 0;
  readonly peers = new Peers(
    (id) => {
      this.encodings++;
      return JSON.stringify({ id, version: this.versions.get(id) });
    },
    (text) => utf8(text),
  );

  add(id: number): void {
    if (!this.versions.has(id)) this.versions.set(id, 0);
    this.peers.add(id);
  }

  remove(id: number): void {
    this.versions.delete(id);
    this.peers.remove(id);
  }

  change(id: number): void {
    const version = this.versions.get(id);
    if (version !== undefined) this.versions.set(id, version + 1);
    this.peers.changed(id);
  }

  /** What a client reads that is `self`. */
  read(self: number): { id: number; version: number }[] {
    const pieces = this.peers.piecesWithout(self).map((piece) => piece.bytes('plain'));
    return JSON.parse(`[${Buffer.concat(pieces).toString()}]`) as { id: number; version: number }[];
  }
}

describe('encoded peers', () => {
  test('are after any history all that there are but oneself, as they are now', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'add', 'remove', 'change') as fc.Arbitrary<'add'>,
      id: fc.integer({ min: 1, max: 3 * BLOCK }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), fc.nat(300), (steps, self) => {
        const subject = new Subject();
        for (const { kind, id } of steps) subject[kind](id);
        const read = subject.read(self).toSorted((a, b) => a.id - b.id);
        const wanted = [...subject.versions].filter(([id]) => id !== self);
        assert.deepEqual(
          read.map(({ id, version }) => [id, version]),
          wanted.toSorted(([a], [b]) => a - b),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('are encoded again only in the block of one that changed', () => {
    const subject = new Subject();
    for (let id = 1; id <= 4 * BLOCK; id++) subject.add(id);
    subject.read(0);
    subject.encodings = 0;
    subject.change(1);
    subject.read(0);
    assert.equal(subject.encodings, BLOCK);
  });

  test('that came where others went fill their blocks', () => {
    const subject = new Subject();
    for (let id = 1; id <= 4 * BLOCK; id++) subject.add(id);
    for (let id = 1; id <= 2 * BLOCK; id += 2) subject.remove(id);
    for (let id = 1001; id <= 1000 + BLOCK; id++) subject.add(id);
    assert.equal(subject.peers.piecesWithout(0).length, 4);
  });
});
