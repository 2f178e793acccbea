/**
 * DNS records from a file that other programs write: read at the start and looked at again every few
 * seconds, by content, so it does not matter how it is written or on what file system it is. While it is
 * empty, gone or not what it should be, the records that were good stay.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fail, ok, type Result } from '@malla/base/result';
import { type DnsRecord, MAX_RECORDS, parseDnsRecord } from '@malla/netmap/dns-record';
import { reasonOf } from '@malla/platform/denied';
import { isObject } from '@malla/wire/tailcfg/json';

/** Room for {@link MAX_RECORDS} of the longest names. */
const MAX_FILE_BYTES = 8 << 20;

export class RecordFile {
  readonly #path: string;
  readonly #log: Logger;
  #digest = '';
  #records: readonly DnsRecord[] = [];

  private constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Reads the file. Throws MallaError `config.invalid` when it cannot be used. */
  static async open(path: string, log: Logger): Promise<RecordFile> {
    const file = new RecordFile(path, log);
    const read = await file.#read();
    if (read?.ok === false) {
      throw new MallaError(
        'config.invalid',
        `cannot use the DNS records of ${path}: ${read.error}`,
      );
    }
    return file;
  }

  get records(): readonly DnsRecord[] {
    return this.#records;
  }

  /** Looks again; true when there are other records now. Never rejects: a problem is logged once. */
  async reload(): Promise<boolean> {
    const read = await this.#read();
    if (read === undefined) return false;
    if (!read.ok) {
      this.#log.error(
        { file: this.#path, err: read.error },
        'DNS records not reloaded: the last good ones stay',
      );
      return false;
    }
    this.#log.info({ file: this.#path, records: read.value.length }, 'DNS records reloaded');
    return true;
  }

  /** Undefined: the same as at the last look, or a file that somebody is about to fill. */
  async #read(): Promise<Result<readonly DnsRecord[], string> | undefined> {
    const text = await readText(this.#path);
    const digest = createHash('sha256')
      .update(text.ok ? text.value : `unreadable ${text.error}`)
      .digest('base64');
    if (digest === this.#digest) return undefined;
    this.#digest = digest;
    if (!text.ok) return text;
    if (text.value.trim() === '') return undefined;
    const decoded = decodeRecords(text.value);
    if (decoded.ok) this.#records = decoded.value;
    return decoded;
  }
}

async function readText(path: string): Promise<Result<string, string>> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return fail('not a file');
    if (found.size > MAX_FILE_BYTES) return fail(`larger than ${MAX_FILE_BYTES >> 20} MiB`);
    return ok(await readFile(path, 'utf8'));
  } catch (error) {
    return fail(reasonOf(error, path, 'read'));
  }
}

/** Reads `[{"name", "type", "value"}]`. Never throws. */
export function decodeRecords(text: string): Result<readonly DnsRecord[], string> {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    return fail(`not JSON: ${messageOf(error)}`);
  }
  if (!Array.isArray(list)) return fail('expected a list of {"name", "type", "value"}');
  if (list.length > MAX_RECORDS) return fail(`more than ${MAX_RECORDS} records`);
  const records: DnsRecord[] = [];
  for (const [i, item] of (list as unknown[]).entries()) {
    const record = decodeRecord(item);
    if (!record.ok) return fail(`record ${i + 1}: ${record.error}`);
    records.push(record.value);
  }
  return ok(records);
}

function decodeRecord(item: unknown): Result<DnsRecord, string> {
  if (!isObject(item)) return fail('expected an object');
  const { name, type = '', value } = item;
  if (typeof name !== 'string') return fail('name is missing');
  if (typeof value !== 'string') return fail('value is missing');
  if (typeof type !== 'string') return fail('type is no text');
  return parseDnsRecord({ name, type, value });
}
