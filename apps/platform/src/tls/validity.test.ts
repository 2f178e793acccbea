import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { testCertificate } from '../testing/certificates.ts';
import { doubtsAbout } from './validity.ts';

const DAY = 86_400_000;
const FROM = Date.UTC(2026, 0, 1);
const TO = FROM + 90 * DAY;
const { cert } = testCertificate({ host: 'vpn.acme.dev', from: FROM, to: TO });

function saidAt(now: number, host = 'vpn.acme.dev'): readonly string[] {
  return doubtsAbout(cert, host, now).map(({ level, text }) => `${level} ${text}`);
}

describe('a certificate', () => {
  test('is in no doubt until two weeks before its end', () => {
    for (const now of [FROM, TO - 60 * DAY, TO - 14 * DAY]) assert.deepEqual(saidAt(now), []);
  });

  test('that is about to expire says when, by the day', () => {
    const end = 'on 2026-04-01T00:00:00.000Z, and has not been renewed';
    assert.deepEqual(saidAt(TO - 14 * DAY + 1), [`warn it expires in 13 days, ${end}`]);
    assert.deepEqual(saidAt(TO - DAY), [`warn it expires in 1 day, ${end}`]);
    assert.deepEqual(saidAt(TO - 1), [`warn it expires within a day, ${end}`]);
  });

  test('that has expired, or is not valid yet, is an error', () => {
    assert.deepEqual(saidAt(TO), ['error it has expired on 2026-04-01T00:00:00.000Z']);
    assert.deepEqual(saidAt(FROM - 1), ['error it is not valid before 2026-01-01T00:00:00.000Z']);
  });

  test('for another host names whom it is for', () => {
    assert.deepEqual(saidAt(FROM, 'vpn.acme.org'), [
      'warn it is not for vpn.acme.org, but for DNS:vpn.acme.dev',
    ]);
    assert.equal(saidAt(FROM, '192.0.2.1').length, 1);
  });
});
