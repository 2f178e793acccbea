import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyUser } from '../subjects.ts';
import { Directory } from './directory.ts';

const ANN: PolicyUser = {
  id: 1,
  name: 'ann',
  email: 'ann@example.com',
  providerId: 'https://id.example.com/1',
  role: undefined,
};

function directoryOf(...users: readonly PolicyUser[]): Directory {
  const directory = new Directory();
  for (const user of users) directory.set(user);
  return directory;
}

test('a user is known by identifier, address and local name', () => {
  const directory = directoryOf(ANN);
  for (const text of ['https://id.example.com/1', 'ann@example.com', 'ann@']) {
    assert.ok(directory.means(text, 1), text);
  }
  assert.ok(!directory.means('ann', 1));
});

test('a name that looks like the address of somebody else means nobody while they are there', () => {
  const impostor = {
    ...ANN,
    id: 2,
    name: 'ann@example.com',
    email: 'x@example.com',
    providerId: '',
  };
  const directory = directoryOf(ANN, impostor);
  assert.deepEqual([...directory.resolve('ann@example.com')], [1]);
  assert.deepEqual(directory.remove(1), new Set([1, 2]));
  assert.deepEqual([...directory.resolve('ann@example.com')], [2]);
});

test('a user who is called something else is known by that only', () => {
  const directory = directoryOf(ANN);
  directory.set({ ...ANN, name: 'anna', email: 'anna@example.com' });
  assert.ok(!directory.means('ann@example.com', 1));
  assert.ok(!directory.means('ann@', 1));
  assert.ok(directory.means('anna@', 1));
});

test('an empty address or identifier means nobody', () => {
  const directory = directoryOf({ ...ANN, email: '', providerId: '' });
  assert.deepEqual([...directory.resolve('')], []);
  assert.deepEqual(directory.textsFor({ ...ANN, email: '', providerId: '' }), ['ann@']);
});
