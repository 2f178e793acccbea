import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeQR } from 'qr/decode.js';
import { qrCode } from './qr-code.ts';

/** Pixels of each module, in each direction. */
const SCALE = 4;

describe('a QR code', () => {
  test('says its text to whoever photographs it', async () => {
    for (const text of [
      'https://a.test',
      'http://192.168.1.10:8080',
      'http://[2001:db8::1]:8080',
      `https://${'sub-domain.'.repeat(22)}example.org`,
    ]) {
      assert.equal(decodeQR(photograph(await qrCode(text, 'address'))), text);
    }
  });

  test('has a label for those who see no pictures, as text', async () => {
    assert.match(await qrCode('x', 'of "<b>"'), /role="img" aria-label="of &#34;&#60;b&#62;&#34;"/);
  });
});

/** Renders the bars of the path, dark on white, as the SVG says. */
function photograph(svg: string): { width: number; height: number; data: Uint8Array } {
  const [, modules = ''] = /viewBox="0 0 (\d+) \1"/.exec(svg) ?? [];
  const size = Number(modules) * SCALE;
  const data = new Uint8Array(size * size * 4).fill(255);
  for (const [, x, y, width] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let row = Number(y) * SCALE; row < (Number(y) + 1) * SCALE; row++) {
      for (let at = Number(x) * SCALE; at < (Number(x) + Number(width)) * SCALE; at++) {
        data.fill(0, (row * size + at) * 4, (row * size + at) * 4 + 3);
      }
    }
  }
  return { width: size, height: size, data };
}
