import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { refusal } from '../testing/rows.ts';
import { checkAuthId, newAuthId, pastedAuthId } from './pending-id.ts';

const ID = `hskey-authreq-${'0a'.repeat(12)}`;

describe('the id of what waits', () => {
  test('is taken from whatever of the page somebody copied', () => {
    for (const pasted of [
      ID,
      ` ${ID}\n`,
      `https://vpn.example.org/register/${ID}`,
      `https://vpn.example.org/auth/${ID}`,
      `http://192.168.1.10:8080/register/${ID}?source=qr#top`,
      `vpn.example.org/register/${ID}/`,
      `/register/${ID}`,
    ]) {
      assert.equal(pastedAuthId(pasted), ID, pasted);
    }
  });

  test('that is made is one', () => {
    checkAuthId(newAuthId((length) => new Uint8Array(length).fill(0xfe)));
  });

  test('is not what else begins like a key, and says what that is without repeating it', () => {
    const secret = '7'.repeat(64);
    const messages = new Map([
      [`hskey-auth-0123456789ab-${secret}`, /^this is a pre-auth key, .*tailscale up --auth-key/],
      [`tskey-auth-${secret}`, /^this is a pre-auth key/],
      [`hskey-api-0123456789ab-${secret}`, /^this is a key of the API/],
      [`nodekey:${secret}`, /^this is a key of a device/],
      [`mkey:${secret}`, /^this is a key of a device/],
      [ID.slice(0, -1), /^the id is not whole/],
      ['laptop', /^"laptop" is not an authentication id/],
    ]);
    for (const [id, expected] of messages) {
      const { code, message } = refusal(() => checkAuthId(id));
      assert.equal(code, 'auth.id-invalid');
      assert.match(message, expected);
      assert.match(message, /looks like hskey-authreq-…$/);
      assert.ok(!message.includes(secret));
    }
  });

  test('is found or not, whatever the text', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof pastedAuthId(text) === 'string'));
  });
});
