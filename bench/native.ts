/**
 * Sealing and compression by the node binary's own functions against plain Node: a long write in one
 * call of the record layer, as the fan-out makes it, and a block of peers as one zstd frame. CPU
 * microseconds a call, which other work on the machine disturbs less than time does.
 *
 *     node --disable-warning=ExperimentalWarning bench/native.ts
 */
import { createHash } from 'node:crypto';
import { silentLogger } from '@malla/base/logger';
import { RecordOpener, RecordSealer, sealedBytes } from '@malla/noise/record';
import { loadNative } from '@malla/control/native/load';
import { nodeCompress } from '@malla/control/native/zstd';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { bench } from './report.ts';

const ROUNDS = 25;
/** CPU time of a round, µs: the clock that measures it may tick in milliseconds. */
const ROUND_US = 20_000;
/** A change, a few of them, what is sealed at once, and a whole map of 1,000 nodes. */
const WRITES = [100, 1_000, 64 << 10, 130_000];
/** Peers in what is compressed: a change, and a block. */
const PEERS = [1, 64];

const { report } = bench(import.meta.filename, {});
const native = loadNative(silentLogger, true);
if (native.what === 'node') {
  console.error('this runtime has no native functions that work: plain Node alone is measured');
}
const aeads = { node: nodeCrypto, [native.what]: native.aead };
const compressors = { node: nodeCompress, [native.what]: native.compress };
const key = new Uint8Array(32).fill(1);

for (const size of WRITES) {
  const plaintext = new Uint8Array(size).fill(7);
  compare(`seal ${size} B`, aeads, (aead) => {
    const sealer = new RecordSealer(key, aead);
    const out = new Uint8Array(sealedBytes(size));
    return () => sealer.sealInto(out, plaintext);
  });
  compare(`open ${size} B`, aeads, (aead) => {
    const sealed = new RecordSealer(key, nodeCrypto).seal(plaintext);
    return () => {
      if (!new RecordOpener(key, aead).open(sealed).ok) throw new Error('not opened');
    };
  });
}
for (const count of PEERS) {
  const json = Array.from({ length: count }, (_, i) => peer(i)).join(',');
  compare(`compress ${json.length} B of peers`, compressors, (compress) => () => {
    compress(json);
  });
}
report.finish();

/** The implementations take turns, so that a slow spell of the machine meets them all. */
function compare<T>(
  what: string,
  implementations: Readonly<Record<string, T>>,
  prepare: (implementation: T) => () => void,
): void {
  const subjects = Object.entries(implementations).map(([name, implementation]) => {
    const run = prepare(implementation);
    return { name, run, calls: callsPerRound(run) };
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, run, calls } of subjects) {
      report.add(`${what}, ${name}`, 'µs', measure(run, calls) / calls);
    }
  }
}

/** Doubles until a round is long enough, which warms up besides. */
function callsPerRound(run: () => void): number {
  for (let calls = 16; ; calls *= 2) if (measure(run, calls) >= ROUND_US) return calls;
}

function measure(run: () => void, calls: number): number {
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call++) run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** As a map response has it: a third of it keys, which do not compress. */
function peer(i: number): string {
  const keyText = (kind: string): string =>
    `${kind}:${createHash('sha256').update(`${kind}${i}`).digest('hex')}`;
  const addresses = [`100.64.${i >> 8}.${i & 255}/32`, `fd7a:115c:a1e0::${i.toString(16)}/128`];
  return JSON.stringify({
    ID: i,
    StableID: String(i),
    Name: `n${i}.example.ts.net.`,
    User: 1,
    Key: keyText('nodekey'),
    Machine: keyText('mkey'),
    DiscoKey: keyText('discokey'),
    Addresses: addresses,
    AllowedIPs: addresses,
    Endpoints: [`198.18.${i >> 8}.${i & 255}:41641`],
    HomeDERP: 999,
    Hostinfo: { OS: 'linux', Hostname: `n${i}` },
    Created: '2026-01-01T00:00:00Z',
    Cap: 142,
    Online: true,
  });
}
