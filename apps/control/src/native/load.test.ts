import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import type { Aead } from '@malla/noise/crypto';
import type { LogFields, Logger } from '@malla/base/logger';
import { silentLogger } from '@malla/base/logger';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { withoutFfi } from '../testing/ffi.ts';
import { loadNative } from './load.ts';
import { checkAead, checkCompress } from './self-test.ts';
import { nodeCompress } from './zstd.ts';

describe('native functions', () => {
  test('are those of the node binary, once for the process', { skip: withoutFfi }, () => {
    const native = loadNative(unexpected, true);
    assert.equal(native.what, 'ffi');
    assert.equal(loadNative(unexpected, true), native);
  });

  test('are plain ones where they are not wanted', () => {
    const native = loadNative(unexpected, false);
    assert.deepEqual(native, { aead: nodeCrypto, compress: nodeCompress, what: 'node' });
  });

  test('are plain ones where node has no FFI, with one line that says why', () => {
    const flags = withoutFfi === false ? ['--no-experimental-ffi'] : [];
    assert.deepEqual(inProcessWith(...flags), {
      what: 'node',
      lines: [{ reason: 'node:ffi is switched off or missing' }],
    });
  });

  test('are plain ones where the process may not use FFI', { skip: withoutFfi }, () => {
    const { what, lines } = inProcessWith('--permission', '--allow-fs-read=*');
    assert.equal(what, 'node');
    assert.match(String(lines[0]?.['reason']), /restricted/);
  });
});

describe('the self-test', () => {
  test('passes for plain Node', () => {
    checkAead(nodeCrypto);
    checkCompress(nodeCompress);
  });

  test('finds an implementation that seals or opens wrongly', () => {
    const wrong: Record<string, Partial<Aead>> = {
      'sealing 0 bytes': { seal() {} },
      'sealing 1 bytes in place': {
        seal(key, nonce, plaintext, out) {
          if (plaintext.buffer === out.buffer) plaintext.fill(0);
          nodeCrypto.seal(key, nonce, plaintext, out);
        },
      },
      'opening 0 bytes': { open: () => undefined },
      'refusing 0 changed bytes': {
        open: (key, nonce, sealed) =>
          nodeCrypto.open(key, nonce, sealed) ?? sealed.subarray(0, -16),
      },
    };
    for (const [place, part] of Object.entries(wrong)) {
      assert.throws(() => checkAead({ ...nodeCrypto, ...part }), { message: new RegExp(place) });
    }
  });

  test('finds frames that do not decode to what was compressed', () => {
    assert.throws(() => checkCompress((text) => Buffer.from(text)));
    assert.throws(() => checkCompress((text) => nodeCompress(text.slice(1))), /compressing/);
  });
});

const unexpected: Logger = {
  ...silentLogger,
  debug: (_fields, message) => assert.fail(message),
};

/** What a process of its own, started with these flags, loads and logs. */
function inProcessWith(...flags: string[]): { what: string; lines: LogFields[] } {
  const load = new URL('load.ts', import.meta.url);
  const program = `
    import { loadNative } from ${JSON.stringify(load.href)};
    const lines = [];
    const { what } = loadNative({ debug: (fields) => lines.push(fields) }, true);
    process.stdout.write(JSON.stringify({ what, lines }));`;
  const args = ['--no-warnings', ...flags, '--input-type=module', '--eval', program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as ReturnType<
    typeof inProcessWith
  >;
}
