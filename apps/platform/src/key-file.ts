/**
 * A server's private key on disk, `privkey:<hex>`: made at the first start, mode 0600, in a directory of
 * mode 0700. Clients remember the public half, so the file is never overwritten.
 */
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { formatKey, keyBytes, parseKey } from '@malla/keys/key';
import { clamp, type X25519Private } from '@malla/keys/x25519';
import { importPrivate } from './crypto/x25519.ts';
import { reasonOf } from './denied.ts';
import { makeFolder } from './make-folder.ts';
import { giveToFolder } from './ownership.ts';

/** Reads the key of a file, or makes one there. Throws MallaError with one sentence. */
export async function loadOrCreateKey(file: string, random: RandomBytes): Promise<X25519Private> {
  return (await loadKey(file)) ?? (await makeKey(file, random));
}

/** Reads the key of a file; undefined where there is no file. Throws MallaError with one sentence. */
export async function loadKey(file: string): Promise<X25519Private | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw unusable(file, error);
  });
  return text === undefined ? undefined : keyOf(file, text);
}

/** Makes a key where there is no file, or takes the one that another makes at the same moment. */
export async function makeKey(file: string, random: RandomBytes): Promise<X25519Private> {
  const text = await create(file, random).catch((error: unknown) => {
    throw unusable(file, error);
  });
  return keyOf(file, text);
}

function unusable(file: string, error: unknown): MallaError {
  return new MallaError(
    'config.invalid',
    `cannot use the private key file ${file}: ${reasonOf(error, file, 'write')}`,
    { cause: error },
  );
}

function keyOf(file: string, text: string): X25519Private {
  const key = parseKey('privkey', text.trim());
  if (!key.ok) {
    throw new MallaError(
      'config.invalid',
      `${file} does not hold a private key (privkey: and 64 hex digits)`,
    );
  }
  return importPrivate(keyBytes(key.value));
}

async function create(file: string, random: RandomBytes): Promise<string> {
  const text = formatKey('privkey', clamp(random(32)));
  makeFolder(dirname(file));
  // Another process that starts at the same moment may be first; then its key counts.
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (handle === undefined) return await readFile(file, 'utf8');
  try {
    giveToFolder(handle.fd, file);
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return text;
}
