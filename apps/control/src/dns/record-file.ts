/**
 * DNS records from a file that other programs write: read at the start and looked at again every few
 * seconds, by content, so it does not matter how it is written or on what file system it is. While it is
 * empty, gone or not what it should be, the records that were good stay, also across a restart: they are
 * kept in a file of our own.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fail, ok, type Result } from '@malla/base/result';
import {
  type DnsRecord,
  MAX_RECORDS,
  parseDnsRecord,
  unservedReason,
} from '@malla/netmap/dns-record';
import { isNotThere, reasonOf } from '@malla/platform/denied';
import { writePrivate } from '@malla/platform/private-file';
import { isObject } from '@malla/wire/tailcfg/json';

/** Room for {@link MAX_RECORDS} of the longest names. */
const MAX_FILE_BYTES = 8 << 20;
/** Records without effect that are told of one by one. */
const MAX_LEFT_OUT = 20;

export interface RecordFileOptions {
  readonly path: string;
  /** Where the last good records are kept. */
  readonly keptPath: string;
  readonly log: Logger;
}

/** What a file says. */
export interface DecodedRecords {
  readonly records: readonly DnsRecord[];
  /** One sentence for each record of a type that clients do not know. */
  readonly leftOut: readonly string[];
}

export class RecordFile {
  readonly #options: RecordFileOptions;
  #digest = '';
  #records: readonly DnsRecord[] = [];

  private constructor(options: RecordFileOptions) {
    this.#options = options;
  }

  /** Reads the file, or what it said last. Never rejects: a problem is logged. */
  static async open(options: RecordFileOptions): Promise<RecordFile> {
    const file = new RecordFile(options);
    const read = (await file.#read()) ?? fail('is empty');
    if (!read.ok) {
      const kept = await readKept(options);
      file.#records = kept ?? [];
      options.log[isNotThere(read.error) ? 'warn' : 'error'](
        { file: options.path, err: read.error, records: file.#records.length },
        kept === undefined
          ? 'DNS records not read, and none are known from before'
          : 'DNS records not read: the last good ones stay',
      );
    }
    return file;
  }

  get records(): readonly DnsRecord[] {
    return this.#records;
  }

  /** Looks again; true when there are other records now. Never rejects: a problem is logged once. */
  async reload(): Promise<boolean> {
    const { path, log } = this.#options;
    const read = await this.#read();
    if (read === undefined) return false;
    if (!read.ok) {
      log.error(
        { file: path, err: read.error },
        'DNS records not reloaded: the last good ones stay',
      );
      return false;
    }
    log.info({ file: path, records: read.value.length }, 'DNS records reloaded');
    return true;
  }

  /** Undefined: the same as at the last look, or a file that somebody is about to fill. */
  async #read(): Promise<Result<readonly DnsRecord[], string> | undefined> {
    const { path, log } = this.#options;
    const text = await readText(path);
    const digest = createHash('sha256')
      .update(text.ok ? text.value : `unreadable ${text.error}`)
      .digest('base64');
    if (digest === this.#digest) return undefined;
    this.#digest = digest;
    if (!text.ok) return text;
    if (text.value.trim() === '') return undefined;
    const decoded = decodeRecords(text.value);
    if (!decoded.ok) return decoded;
    const { records, leftOut } = decoded.value;
    for (const detail of leftOut) log.warn({ file: path, detail }, 'DNS record left out');
    this.#records = records;
    await this.#keep();
    return ok(records);
  }

  async #keep(): Promise<void> {
    const { path, keptPath, log } = this.#options;
    try {
      await writePrivate(keptPath, `${JSON.stringify({ path, records: this.#records })}\n`);
    } catch (error) {
      const err = reasonOf(error, keptPath, 'replace');
      log.warn({ file: keptPath, err }, 'DNS records not kept for the next start');
    }
  }
}

/** What such a file says now; for `malla configtest`. Never rejects. */
export async function readRecordFile(path: string): Promise<Result<DecodedRecords, string>> {
  const text = await readText(path);
  if (!text.ok) return text;
  return text.value.trim() === '' ? fail('is empty') : decodeRecords(text.value);
}

/** Undefined where nothing was kept of this file. */
async function readKept({
  path,
  keptPath,
}: RecordFileOptions): Promise<readonly DnsRecord[] | undefined> {
  const text = await readText(keptPath);
  if (!text.ok) return undefined;
  const kept = parseJson(text.value);
  if (!kept.ok || !isObject(kept.value) || kept.value['path'] !== path) return undefined;
  const decoded = recordsOf(kept.value['records']);
  return decoded.ok ? decoded.value.records : undefined;
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

/** Reads `[{"name", "type", "value"}]`, the names of fields in any case, as programs in Go write them. Never throws. */
export function decodeRecords(text: string): Result<DecodedRecords, string> {
  const list = parseJson(text);
  return list.ok ? recordsOf(list.value) : list;
}

function parseJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    return fail(`not JSON: ${messageOf(error)}`);
  }
}

function recordsOf(list: unknown): Result<DecodedRecords, string> {
  if (!Array.isArray(list)) return fail('expected a list of {"name", "type", "value"}');
  if (list.length > MAX_RECORDS) return fail(`more than ${MAX_RECORDS} records`);
  const records: DnsRecord[] = [];
  const leftOut: string[] = [];
  for (const [i, written] of (list as unknown[]).entries()) {
    const item = lowerCaseFields(written);
    const unserved = unservedIn(item);
    if (unserved !== undefined) {
      if (leftOut.length < MAX_LEFT_OUT) leftOut.push(`record ${i + 1}: ${unserved}`);
      continue;
    }
    const record = decodeRecord(item);
    if (!record.ok) return fail(`record ${i + 1}: ${record.error}`);
    records.push(record.value);
  }
  return ok({ records, leftOut });
}

function lowerCaseFields(item: unknown): unknown {
  if (!isObject(item)) return item;
  return Object.fromEntries(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]));
}

/** Why clients pass over a whole record, where it is one that headscale takes. */
function unservedIn(item: unknown): string | undefined {
  if (!isObject(item)) return undefined;
  const { name, type = '', value } = item;
  const isWhole = typeof name === 'string' && typeof value === 'string';
  return isWhole && typeof type === 'string' ? unservedReason({ name, type, value }) : undefined;
}

function decodeRecord(item: unknown): Result<DnsRecord, string> {
  if (!isObject(item)) return fail('expected an object');
  const { name, type = '', value } = item;
  if (typeof name !== 'string') return fail('name is missing');
  if (typeof value !== 'string') return fail('value is missing');
  if (typeof type !== 'string') return fail('type is no text');
  return parseDnsRecord({ name, type, value });
}
