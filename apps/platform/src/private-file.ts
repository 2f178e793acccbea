/** Writes a small file that only its owner may read: whole or not at all, and the folder's owner's. */
import { open, rename, rm } from 'node:fs/promises';
import { giveToFolder } from './ownership.ts';

/** Replaces what is there. Rejects with what the system says. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const part = `${path}.new`;
  await rm(part, { force: true });
  // Exclusive: root must not write through, nor give away, what a link planted there leads to.
  const file = await open(part, 'wx', 0o600);
  try {
    giveToFolder(file.fd, part);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
}
