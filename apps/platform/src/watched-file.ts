/**
 * A file that other programs write, watched by looking at it: at its state every second or so, at its
 * content when that state has changed and then stayed. So a file that is just being written, and one
 * that an editor takes away and puts back, is read when it is whole; and it works where the system
 * tells of no changes (network disks, mounts in containers, links that are exchanged).
 */
import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '@malla/base/error';
import { fail, ok, type Result } from '@malla/base/result';
import { reasonOf } from './denied.ts';

export class WatchedFile {
  readonly path: string;
  readonly #maxBytes: number;
  /** The file's state at the last look, and when it was last read. */
  #seen = '';
  #read = '';

  constructor(path: string, maxBytes: number) {
    this.path = path;
    this.#maxBytes = maxBytes;
  }

  /** Its text now, or why there is none. Never rejects. */
  async read(): Promise<Result<string, string>> {
    this.#read = this.#seen = await this.#state();
    try {
      const found = await stat(this.path);
      // A pipe would be waited for, for ever.
      if (!found.isFile()) return fail('is not a file');
      if (found.size > this.#maxBytes) return fail(`is larger than ${this.#maxBytes} bytes`);
      return ok(await readFile(this.path, 'utf8'));
    } catch (error) {
      return fail(`cannot be read: ${reasonOf(error, this.path, 'read')}`);
    }
  }

  /** As {@link read} when the file is another since it was read, and the same as at the last look. */
  async look(): Promise<Result<string, string> | undefined> {
    const state = await this.#state();
    const isSettled = state === this.#seen;
    this.#seen = state;
    return isSettled && state !== this.#read ? this.read() : undefined;
  }

  /** What differs when the content may. */
  async #state(): Promise<string> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    } catch (error) {
      return messageOf(error);
    }
  }
}
