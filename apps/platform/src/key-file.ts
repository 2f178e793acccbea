/**
 * A server's private key on disk, `privkey:<hex>`: made at the first start, mode 0600, in a directory of
 * mode 0700. Clients remember the public half, so the file is never overwritten.
 */
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MallaError, messageOf } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { formatKey, keyBytes, parseKey } from '@malla/keys/key';
import { clamp, importPrivate, type X25519Private } from '@malla/keys/x25519';
import { makeFolder } from './make-folder.ts';

/** Reads the key of a file, or makes one there. Throws MallaError with one sentence. */
export async function loadOrCreateKey(file: string, random: RandomBytes): Promise<X25519Private> {
  const text = await readOrCreate(file, random).catch((error: unknown) => {
    throw new MallaError(
      'config.invalid',
      `cannot use the private key file ${file}: ${messageOf(error)}`,
      { cause: error },
    );
  });
  const key = parseKey('privkey', text.trim());
  if (!key.ok) {
    throw new MallaError(
      'config.invalid',
      `${file} does not hold a private key (privkey: and 64 hex digits)`,
    );
  }
  return importPrivate(keyBytes(key.value));
}

async function readOrCreate(file: string, random: RandomBytes): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const text = formatKey('privkey', clamp(random(32)));
  makeFolder(dirname(file));
  // Another process that starts at the same moment may be first; then its key counts.
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (handle === undefined) return await readFile(file, 'utf8');
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return text;
}
