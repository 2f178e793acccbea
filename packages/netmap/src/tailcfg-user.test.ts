import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { displayName, encodeUserProfile, loginName } from './tailcfg-user.ts';
import { TAGGED_DEVICES, type User } from './user.ts';

const USER: User = {
  id: 5,
  tailnet: 1,
  name: 'alice',
  displayName: 'Alice A.',
  email: 'alice@example.com',
  pictureUrl: 'https://example.com/a.png',
  provider: '',
  providerId: '',
  createdAt: 0,
};

describe('a user profile', () => {
  test('shows the e-mail address, the display name and the picture', () => {
    assert.deepEqual(JSON.parse(encodeUserProfile(5, USER)), {
      ID: 5,
      LoginName: 'alice@example.com',
      DisplayName: 'Alice A.',
      ProfilePicURL: 'https://example.com/a.png',
    });
  });

  test('shows the name where there is nothing else', () => {
    const plain = { ...USER, displayName: '', email: '', pictureUrl: '' };
    assert.deepEqual(JSON.parse(encodeUserProfile(5, plain)), {
      ID: 5,
      LoginName: 'alice',
      DisplayName: 'alice',
    });
    assert.deepEqual([loginName(plain), displayName(plain)], ['alice', 'alice']);
  });

  test('of tagged devices is synthetic', () => {
    assert.deepEqual(JSON.parse(encodeUserProfile(TAGGED_DEVICES.id, undefined)), {
      ID: 2147455555,
      LoginName: 'tagged-devices',
      DisplayName: 'Tagged Devices',
    });
  });

  test('of a user that is no more is blank, and still a profile', () => {
    assert.deepEqual(JSON.parse(encodeUserProfile(9, undefined)), {
      ID: 9,
      LoginName: '',
      DisplayName: '',
    });
  });
});
