/**
 * DNS records from a file that other programs write: read at the start and looked at again every few
 * seconds. A file that is empty or not what it should be keeps the records that were good.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fail, ok, type Result } from '@malla/base/result';
import { isObject } from '@malla/wire/tailcfg/json';
import type { ExtraRecord } from './config/config.ts';

/** Records that one file may hold. */
const MAX_RECORDS = 10_000;

export class ExtraRecordsFile {
  readonly #path: string;
  readonly #log: Logger;
  #digest = '';
  #records: readonly ExtraRecord[] = [];

  private constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Reads the file. Throws MallaError `config.invalid` when it cannot be used. */
  static async open(path: string, log: Logger): Promise<ExtraRecordsFile> {
    const file = new ExtraRecordsFile(path, log);
    const problem = await file.#read();
    if (problem !== undefined) {
      throw new MallaError('config.invalid', `cannot use the DNS records of ${path}: ${problem}`);
    }
    return file;
  }

  get records(): readonly ExtraRecord[] {
    return this.#records;
  }

  /** Looks again; true when the records are others now. Never rejects: a problem is logged once. */
  async reload(): Promise<boolean> {
    const before = this.#records;
    const problem = await this.#read();
    if (problem !== undefined) {
      this.#log.error({ file: this.#path, err: problem }, 'DNS records not reloaded');
    }
    return this.#records !== before;
  }

  /** What is wrong, or undefined. The same content is complained of once. */
  async #read(): Promise<string | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      text = `unreadable: ${messageOf(error)}`;
    }
    const digest = createHash('sha256').update(text).digest('hex');
    if (digest === this.#digest) return undefined;
    this.#digest = digest;
    // A writer that truncates first is about to write more.
    if (text.trim() === '') return undefined;
    const decoded = decodeExtraRecords(text);
    if (!decoded.ok) return decoded.error;
    this.#records = decoded.value;
    return undefined;
  }
}

/** Reads `[{"name", "type", "value"}]`. Never throws. */
export function decodeExtraRecords(text: string): Result<readonly ExtraRecord[], string> {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    return fail(`not JSON: ${messageOf(error)}`);
  }
  if (!Array.isArray(list)) return fail('expected a list of {"name", "type", "value"}');
  if (list.length > MAX_RECORDS) return fail(`more than ${MAX_RECORDS} records`);
  const records: ExtraRecord[] = [];
  for (const [i, item] of (list as unknown[]).entries()) {
    if (!isObject(item)) return fail(`record ${i + 1}: expected an object`);
    const { name, type = '', value } = item;
    if (typeof name !== 'string' || name === '') return fail(`record ${i + 1}: name is missing`);
    if (typeof value !== 'string' || value === '') return fail(`record ${i + 1}: value is missing`);
    if (type !== '' && type !== 'A' && type !== 'AAAA') {
      return fail(`record ${i + 1}: type must be A or AAAA: clients know no others`);
    }
    records.push({ name, type, value });
  }
  return ok(records);
}
