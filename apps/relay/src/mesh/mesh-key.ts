/** The key that the servers of a region share, from a file: 64 hex digits, as derper has it. */
import { readFile } from 'node:fs/promises';
import { MallaError } from '@malla/base/error';
import { reasonOf } from '@malla/platform/denied';

/** Reads the 32 bytes. Throws MallaError `config.invalid` with one sentence that does not show them. */
export async function readMeshKey(file: string): Promise<Uint8Array> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new MallaError(
      'config.invalid',
      `cannot use the mesh key file ${file}: ${reasonOf(error, file, 'read')}`,
      { cause: error },
    );
  }
  const hex = text.trim();
  if (!/^[0-9a-f]{64}$/i.test(hex)) {
    throw new MallaError('config.invalid', `${file} does not hold a mesh key (64 hex digits)`);
  }
  return Uint8Array.fromHex(hex);
}
