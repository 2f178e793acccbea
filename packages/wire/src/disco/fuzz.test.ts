/** No bytes make a decoder of disco throw, nor read as what does not come back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boxKey } from '@malla/keys/nacl-box';
import { clamp } from '@malla/keys/x25519';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { decodeGeneve } from './geneve.ts';
import { decodeDisco, encodeDisco } from './message.ts';
import { openDisco, sealDisco } from './packet.ts';

/** How long to look, ms. More for a longer search: FUZZ_MS=600000. */
const BUDGET_MS = Number(process.env['FUZZ_MS'] ?? 300);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() >>> 0);

describe('decoders of disco', () => {
  test('take any bytes', (t) => {
    const next = numbers(SEED);
    const key = importPrivate(clamp(new Uint8Array(32).fill(1)));
    const box = boxKey(key, key.publicBytes);
    assert.ok(box !== undefined);
    const until = performance.now() + BUDGET_MS;
    let inputs = 0;
    let read = 0;
    for (; performance.now() < until; inputs++) {
      const bytes = new Uint8Array(next() % 400);
      for (let i = 0; i < bytes.length; i++) bytes[i] = next() % 3 === 0 ? 0 : next();
      if (bytes.length > 0) bytes[0] = next() % 12;
      try {
        decodeGeneve(bytes);
        openDisco(box, bytes);
        const decoded = decodeDisco(bytes);
        if (!decoded.ok) continue;
        read++;
        const again = encodeDisco(decoded.value);
        assert.deepEqual(decodeDisco(again), decoded);
        // Sealing costs more than all the rest.
        if (inputs % 64 !== 0) continue;
        const sealed = sealDisco(key.publicBytes, box, new Uint8Array(24), decoded.value);
        assert.deepEqual(openDisco(box, sealed), decoded);
      } catch (error) {
        assert.fail(`seed ${SEED}, input ${inputs}, ${bytes.toHex()}: ${String(error)}`);
      }
    }
    assert.ok(read > 0);
    t.diagnostic(`${inputs} inputs, ${read} of them messages, seed ${SEED}`);
  });
});

/** Whole numbers by xorshift, 32 bits each. */
function numbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
