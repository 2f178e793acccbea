/**
 * The server's private key on disk: made at the first start, mode 0600, in a directory of mode 0700.
 * Clients remember the public half, so the file is never overwritten.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { MallaError, messageOf } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { formatKey, keyBytes, parseKey } from '@malla/keys/key';
import { clamp, importPrivate, type X25519Private } from '@malla/keys/x25519';

/** Reads `privkey:<hex>` from a file, or makes a key there. Throws MallaError with one sentence. */
export async function loadOrCreateKey(file: string, random: RandomBytes): Promise<X25519Private> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(file, error);
    text = await create(file, formatKey('privkey', clamp(random(32))));
  }
  const key = parseKey('privkey', text.trim());
  if (!key.ok) {
    throw new MallaError(
      'config.invalid',
      `${file} does not hold a private key (privkey: and 64 hex digits)`,
    );
  }
  return importPrivate(keyBytes(key.value));
}

/** Writes a new file, whole or not at all visible; another process's file of the same moment wins. */
async function create(file: string, text: string): Promise<string> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return await readFile(file, 'utf8');
    throw unusable(file, error);
  }
}

function unusable(file: string, error: unknown): MallaError {
  return new MallaError(
    'config.invalid',
    `cannot use the private key file ${file}: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}
