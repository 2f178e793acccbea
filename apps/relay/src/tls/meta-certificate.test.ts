import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { META_RENEW_MS, metaCertificate } from './meta-certificate.ts';

describe('the meta certificate of a relay', () => {
  test('carries key and version, and is valid for 30 days to both sides', async () => {
    const { create, renewMs } = metaCertificate(new Uint8Array(32).fill(0xab));
    const meta = new X509Certificate(await create(Date.parse('2026-11-21T12:00:00Z')));
    assert.equal(renewMs, META_RENEW_MS);
    assert.equal(meta.subject, `CN=derpkey${'ab'.repeat(32)}`);
    assert.equal(meta.serialNumber, '02');
    assert.equal(Date.parse(meta.validFrom), Date.parse('2026-10-22T12:00:00Z'));
    assert.equal(Date.parse(meta.validTo), Date.parse('2026-12-21T12:00:00Z'));
    assert.equal(meta.publicKey.asymmetricKeyType, 'ed25519');
    assert.equal(meta.verify(meta.publicKey), true);
  });
});
