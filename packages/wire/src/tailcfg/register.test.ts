import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { registerAnswers, registerRequests } from '../testing/tailcfg-values.ts';
import {
  decodeRegisterRequest,
  decodeRegisterResponse,
  encodeRegisterRequest,
  encodeRegisterResponse,
  type RegisterRequest,
} from './register.ts';

const NODE_KEY = formatKey('nodekey', new Uint8Array(32).fill(1));
const OLD_KEY = formatKey('nodekey', new Uint8Array(32).fill(2));
const NO_KEY = formatKey('nodekey', new Uint8Array(32));

function decode(fields: Record<string, unknown>): RegisterRequest {
  const decoded = decodeRegisterRequest(utf8(JSON.stringify({ NodeKey: NODE_KEY, ...fields })));
  assert.ok(decoded.ok);
  return decoded.value;
}

describe('a register request', () => {
  test('of a client that has never registered is read', () => {
    assert.deepEqual(
      decode({
        Version: 142,
        OldNodeKey: NO_KEY,
        Auth: { AuthKey: ' hskey-auth-x ' },
        Expiry: '0001-01-01T00:00:00Z',
        Followup: '',
        Hostinfo: { Hostname: 'laptop' },
        NodeKeySignature: null,
      }),
      {
        version: 142,
        nodeKey: NODE_KEY,
        oldNodeKey: undefined,
        authKey: 'hskey-auth-x',
        expiry: undefined,
        followup: '',
        ephemeral: false,
        hostinfo: { Hostname: 'laptop' },
      },
    );
  });

  test('of one that logs out names a time long past', () => {
    assert.equal(decode({ Expiry: '1970-01-01T00:02:03Z' }).expiry, 123_000);
  });

  test('may name the key that the new one replaces, and the URL that it waits for', () => {
    const request = decode({
      OldNodeKey: OLD_KEY,
      Followup: 'https://x/register/y',
      Ephemeral: true,
    });
    assert.equal(request.oldNodeKey, OLD_KEY);
    assert.equal(request.followup, 'https://x/register/y');
    assert.equal(request.ephemeral, true);
  });

  test('needs a node key that is not zero', () => {
    for (const NodeKey of [undefined, 'x', NO_KEY]) {
      assert.deepEqual(decodeRegisterRequest(utf8(JSON.stringify({ NodeKey }))), {
        ok: false,
        error: 'bad-node-key',
      });
    }
    assert.deepEqual(decodeRegisterRequest(utf8('1')), { ok: false, error: 'not-json-object' });
  });

  test('cannot ask for an expiry in a year that peers cannot decode', () => {
    assert.equal(decode({ Expiry: '+012026-01-01T00:00:00Z' }).expiry, undefined);
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(registerRequests, (request) => {
        assert.deepEqual(decodeRegisterRequest(utf8(encodeRegisterRequest(request))), {
          ok: true,
          value: request,
        });
      }),
    );
  });

  test('of any bytes or JSON is read without an exception', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeRegisterRequest(bytes)));
    const names = ['Version', 'OldNodeKey', 'Auth', 'Expiry', 'Followup', 'Hostinfo', 'Ephemeral'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (fields) => {
        decodeRegisterRequest(utf8(JSON.stringify({ NodeKey: NODE_KEY, ...fields })));
      }),
    );
  });
});

describe('a register response', () => {
  test('to a registered node names its user', () => {
    const user = { id: 7, loginName: 'a@example.com', displayName: 'A', pictureUrl: 'https://p' };
    assert.deepEqual(
      JSON.parse(encodeRegisterResponse({ kind: 'registered', user, nodeKeyExpired: false })),
      {
        User: {
          ID: 7,
          DisplayName: 'A',
          ProfilePicURL: 'https://p',
          Created: '0001-01-01T00:00:00Z',
        },
        Login: {
          ID: 7,
          Provider: '',
          LoginName: 'a@example.com',
          DisplayName: 'A',
          ProfilePicURL: 'https://p',
        },
        NodeKeyExpired: false,
        MachineAuthorized: true,
        AuthURL: '',
        Error: '',
      },
    );
  });

  test('to a device that waits has the URL and authorizes nothing', () => {
    const answer = encodeRegisterResponse({ kind: 'visit', authUrl: 'https://x/register/y' });
    const { AuthURL, MachineAuthorized, Error } = JSON.parse(answer) as Record<string, unknown>;
    assert.deepEqual([AuthURL, MachineAuthorized, Error], ['https://x/register/y', false, '']);
  });

  test('that refuses has the error and nothing else to act on', () => {
    const answer = encodeRegisterResponse({ kind: 'refused', error: 'authkey expired' });
    const { AuthURL, MachineAuthorized, Error } = JSON.parse(answer) as Record<string, unknown>;
    assert.deepEqual([AuthURL, MachineAuthorized, Error], ['', false, 'authkey expired']);
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(registerAnswers, (answer) => {
        assert.deepEqual(decodeRegisterResponse(utf8(encodeRegisterResponse(answer))), {
          ok: true,
          value: answer,
        });
      }),
    );
  });

  test('with an error is a refusal whatever else it says', () => {
    const answer = { Error: 'no', AuthURL: 'https://x', MachineAuthorized: true, User: { ID: 1 } };
    assert.deepEqual(decodeRegisterResponse(utf8(JSON.stringify(answer))), {
      ok: true,
      value: { kind: 'refused', error: 'no' },
    });
  });

  test('that is some other JSON is not taken for a success', () => {
    for (const answer of [
      {},
      { message: 'not found' },
      { User: {}, Error: 7 },
      { User: {}, AuthURL: [] },
    ]) {
      assert.deepEqual(decodeRegisterResponse(utf8(JSON.stringify(answer))), {
        ok: false,
        error: 'no-answer',
      });
    }
  });

  test('of any bytes or JSON is read without an exception', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeRegisterResponse(bytes)));
    const names = ['User', 'Login', 'NodeKeyExpired', 'AuthURL', 'Error', 'MachineAuthorized'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (fields) => {
        decodeRegisterResponse(utf8(JSON.stringify(fields)));
      }),
    );
  });
});
