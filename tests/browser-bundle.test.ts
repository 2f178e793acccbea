/**
 * `packages/` run in a browser (decision 28): every module of theirs is bundled for one, which finds what
 * cannot be resolved there, and evaluated where there is nothing but what pages and workers have.
 */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = 'virtual:packages';

/** What is for tests only, Node's runner among it. */
const modules = globSync('packages/*/src/**/*.ts', { cwd: ROOT })
  .filter((path) => !/\.test\.ts$|\/testing\/|^packages\/testkit\//.test(path))
  .toSorted();

/** What pages and workers have besides the language, of which packages may use these. */
const BROWSER = { TextEncoder, TextDecoder, URL, URLSearchParams, btoa, atob };

describe('every module of packages/', () => {
  let code = '';

  before(async () => {
    code = await bundle(modules);
  });

  test('is bundled for a browser and runs there', (t) => {
    const exports = evaluate(code);
    assert.equal(Object.keys(exports).length, modules.length);
    t.diagnostic(
      `${modules.length} modules: ${code.length >> 10} KB, ${gzipSync(code).length >> 10} KB gzipped`,
    );
  });

  test('does there what a client does: opens a channel, reads a map, asks its filter', () => {
    const script = `
      const at = (name) => packages['packages/' + name + '.ts'];
      const { importPrivate } = at('plain-crypto/src/x25519');
      const { plainCrypto: crypto } = at('plain-crypto/src/noise');
      const { formatKey } = at('keys/src/key');
      const key = (n) => importPrivate(new Uint8Array(32).fill(n));
      const begun = at('control-client/src/channel').ControlChannel.begin({
        machine: key(1), server: formatKey('mkey', key(2).publicBytes), ephemeral: key(3), crypto, capVersion: 142,
      }).value;
      const { keys, response } = at('noise/src/handshake').respond(key(2), key(4), begun.initiation, crypto).value;
      const { RecordSealer } = at('noise/src/record');
      const map = {
        Node: { ID: 1, Key: formatKey('nodekey', key(5).publicBytes), Addresses: ['100.64.0.1/32'] },
        PacketFilters: { base: [{ SrcIPs: ['100.64.0.2'], DstPorts: [{ IP: '*', Ports: { First: 22, Last: 22 } }] }] },
      };
      const json = at('base/src/bytes').utf8(JSON.stringify(map));
      const length = Uint8Array.of(json.length & 255, json.length >> 8, 0, 0);
      // Past the nine bytes that tell HTTP/2 from an early payload.
      const head = new Uint8Array(9);
      const records = new RecordSealer(keys.serverToClient, crypto).seal(head, length, json);
      begun.receive(response);
      const [http2] = begun.receive(records).value;
      const { MapSession, uncompressed } = at('control-client/src/map-session');
      const session = new MapSession(0, uncompressed);
      session.handleBytes(http2.subarray(head.length), 0);
      const event = session.pollEvent();
      const netmap = new (at('control-client/src/netmap').Netmap)();
      netmap.apply(event.message, 0);
      const filter = new (at('filter/src/filter').PacketFilter)({ rules: netmap.filter, local: netmap.self.Addresses });
      const address = (text) => at('ip/src/address').parseAddress(text).value;
      const verdict = (from, port) => filter.inbound(at('filter/src/packet').packetOf({
        source: address(from), destination: address('100.64.0.1'), protocol: 6, port,
      }));
      JSON.stringify([event.leftOut, verdict('100.64.0.2', 22), verdict('100.64.0.2', 23), verdict('100.64.0.3', 22)]);
    `;
    const said = runInContext(`${code};${script}`, createContext({ ...BROWSER })) as string;
    assert.deepEqual(JSON.parse(said), [[], 'accept', 'no-rule', 'no-rule']);
  });

  test('is missed where it does not fit: a module of Node’s cannot be bundled', async () => {
    await assert.rejects(bundle([], "import 'node:crypto';"), /node:crypto/);
    await assert.rejects(bundle([], "import '@malla/base/of-nobody';"), /of-nobody/);
    const own = await bundle([], 'export const packages = { name: Buffer.name };');
    assert.throws(() => evaluate(own), /Buffer is not defined/);
  });
});

/** The code of a script that has the modules as `packages`, by path. */
async function bundle(paths: readonly string[], source: string = entryOf(paths)): Promise<string> {
  const made = await rolldown({
    input: ENTRY,
    platform: 'browser',
    cwd: ROOT,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => {
          // A bundler would leave these to whoever loads the bundle.
          if (id.startsWith('node:')) throw new Error(`${id} is not in a browser`);
          return id === ENTRY ? id : undefined;
        },
        load: (id) => (id === ENTRY ? source : undefined),
      },
    ],
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  const { output } = await made.generate({ format: 'iife', name: 'bundled' });
  await made.close();
  assert.equal(output.length, 1);
  return `${output[0].code}\nconst { packages } = bundled;`;
}

function entryOf(paths: readonly string[]): string {
  const imports = paths.map(
    (path, i) => `import * as m${i} from ${JSON.stringify(join(ROOT, path))};`,
  );
  const entries = paths.map((path, i) => `${JSON.stringify(path)}: m${i}`);
  return `${imports.join('\n')}\nexport const packages = { ${entries.join(', ')} };`;
}

function evaluate(code: string): object {
  return runInContext(`${code};packages`, createContext({ ...BROWSER })) as object;
}
