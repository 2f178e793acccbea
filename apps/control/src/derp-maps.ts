/**
 * Where the DERP map comes from: URLs, then files, then the embedded relay, each over the one before.
 * A source that fails keeps what it last gave, so that a public map that is away for an hour takes no
 * relay from anybody.
 */
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fail, ok, type Result } from '@malla/base/result';
import { isNotThere } from '@malla/platform/denied';
import { WatchedFile } from '@malla/platform/watched-file';
import {
  type DecodedDerpMap,
  decodeDerpMap,
  type DerpMap,
  type DerpMapLayer,
  mergeDerpMaps,
} from '@malla/wire/tailcfg/derp-map';
import { parse as parseYaml } from 'yaml';
import { doubtsAbout, hasRelay } from './derp-doubts.ts';

const FETCH_TIMEOUT_MS = 10_000;
const MAX_MAP_BYTES = 4 << 20;

export interface DerpMapSources {
  readonly urls: readonly string[];
  readonly paths: readonly string[];
  /** The embedded relay's own region. */
  readonly embedded: DerpMapLayer | undefined;
  /** The host of server_url, which clients reach. */
  readonly serverHost: string;
}

export class DerpMaps {
  readonly #sources: DerpMapSources;
  readonly #last = new Map<string, DerpMapLayer>();
  readonly #log: Logger;
  /** What was said last, by subject: the same again is not worth a line each time. */
  readonly #said = new Map<string, string>();

  constructor(sources: DerpMapSources, log: Logger) {
    this.#sources = sources;
    this.#log = log;
  }

  /** Reads every source again. Never rejects: a failure is logged. */
  async read(): Promise<DerpMap> {
    const { urls, paths, embedded } = this.#sources;
    const layers = await Promise.all([
      ...urls.map((url) => this.#layer(url, () => fetchText(url))),
      ...paths.map((path) => this.#layer(path, () => readText(path))),
    ]);
    const map = mergeDerpMaps([...layers, embedded].filter((layer) => layer !== undefined));
    this.#judge(map);
    return map;
  }

  async #layer(
    source: string,
    read: () => Promise<Result<string, string>>,
  ): Promise<DerpMapLayer | undefined> {
    const text = await read();
    const layer = text.ok ? readLayer(text.value) : text;
    if (!layer.ok) {
      const level = isNotThere(layer.error) ? 'warn' : 'error';
      this.#log[level]({ source, err: layer.error }, 'DERP map not read');
    } else if (layer.value === undefined) {
      this.#log.warn({ source }, 'DERP map is empty');
    } else {
      const { leftOut, corrected } = layer.value;
      if (this.#isNews(source, [...leftOut, ...corrected].join('\n'))) {
        for (const detail of leftOut) {
          this.#log.warn({ source, detail }, 'part of a DERP map left out');
        }
        for (const detail of corrected) {
          this.#log.warn({ source, detail }, 'part of a DERP map corrected');
        }
      }
      this.#last.set(source, layer.value.layer);
    }
    return this.#last.get(source);
  }

  #judge(map: DerpMap): void {
    const relays = hasRelay(map);
    const doubts = doubtsAbout(map, this.#sources.serverHost);
    if (!this.#isNews('', JSON.stringify([relays, doubts]))) return;
    if (!relays) this.#log.error({}, 'there is no relay: clients do not connect without one');
    for (const detail of doubts) this.#log.warn({ detail }, 'relay that clients may not reach');
  }

  #isNews(subject: string, said: string): boolean {
    const isNews = said !== (this.#said.get(subject) ?? '');
    this.#said.set(subject, said);
    return isNews;
  }
}

/** A map file, as the server reads it; undefined: it is empty. Never rejects. */
export async function readDerpFile(
  path: string,
): Promise<Result<DecodedDerpMap | undefined, string>> {
  const text = await readText(path);
  return text.ok ? readLayer(text.value) : text;
}

function readText(path: string): Promise<Result<string, string>> {
  return new WatchedFile(path, MAX_MAP_BYTES).read();
}

/** JSON is YAML too. Never throws. */
function readLayer(text: string): Result<DecodedDerpMap | undefined, string> {
  try {
    const value: unknown = parseYaml(text);
    return value === null || value === undefined ? ok(undefined) : decodeDerpMap(value);
  } catch (error) {
    return fail(`neither YAML nor JSON: ${messageOf(error)}`);
  }
}

async function fetchText(url: string): Promise<Result<string, string>> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) return fail(`it answered ${response.status}`);
    const bytes = await response.bytes();
    if (bytes.length > MAX_MAP_BYTES) return fail(`it is larger than ${MAX_MAP_BYTES} bytes`);
    return ok(new TextDecoder().decode(bytes));
  } catch (error) {
    // fetch itself says only that it failed.
    const { cause } = error as Error;
    return fail(
      cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`,
    );
  }
}
