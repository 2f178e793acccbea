import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ControlChannel } from '@malla/control-client/channel';
import { formatKey } from '@malla/keys/key';
import { respond } from '@malla/noise/handshake';
import { RecordSealer } from '@malla/noise/record';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { NoiseStream } from './noise-stream.ts';

const SERVER = importPrivate(new Uint8Array(32).fill(1));
const BODY = new Uint8Array(64 * 1024).fill(7);
const BODIES = 64;

async function turns(): Promise<void> {
  for (let n = 0; n < 200; n++) await turn();
}

describe('a control channel as a stream', () => {
  test('takes no more from its socket than its reader reads, and then all of it', async () => {
    const begun = ControlChannel.begin({
      machine: importPrivate(new Uint8Array(32).fill(2)),
      server: formatKey('mkey', SERVER.publicBytes),
      ephemeral: importPrivate(new Uint8Array(32).fill(3)),
      crypto: plainCrypto,
      capVersion: 142,
    });
    assert.ok(begun.ok);
    const shaken = respond(
      SERVER,
      importPrivate(new Uint8Array(32).fill(4)),
      begun.value.initiation,
      plainCrypto,
    );
    assert.ok(shaken.ok);
    const [ours, theirs] = duplexPair();
    const stream = new NoiseStream(begun.value, ours, shaken.value.response);
    const sealer = new RecordSealer(shaken.value.keys.serverToClient, plainCrypto);
    let sent = 0;
    const send = async (): Promise<void> => {
      for (; sent < BODIES; sent++) {
        if (!theirs.write(sealer.seal(BODY))) await once(theirs, 'drain');
      }
      theirs.end();
    };
    const sending = send();
    await turns();
    assert.ok(sent < 8, `${sent} of ${BODIES} bodies went out, and nobody reads`);
    let bytes = 0;
    stream.on('data', (chunk: Uint8Array) => (bytes += chunk.length));
    await sending;
    await turns();
    assert.equal(bytes, BODIES * BODY.length);
  });
});
