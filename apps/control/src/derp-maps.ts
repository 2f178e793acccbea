/**
 * Where the DERP map comes from: URLs, then files, then the embedded relay, each over the one before.
 * A source that fails keeps what it last gave, so that a public map that is away for an hour takes no
 * relay from anybody.
 */
import { readFile } from 'node:fs/promises';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import {
  decodeDerpMap,
  type DerpMap,
  type DerpMapLayer,
  mergeDerpMaps,
} from '@malla/wire/tailcfg/derp-map';
import { parse as parseYaml } from 'yaml';

const FETCH_TIMEOUT_MS = 10_000;
const MAX_MAP_BYTES = 4 << 20;

export interface DerpMapSources {
  readonly urls: readonly string[];
  readonly paths: readonly string[];
  /** The embedded relay's own region. */
  readonly embedded: DerpMapLayer | undefined;
}

export class DerpMaps {
  readonly #sources: DerpMapSources;
  readonly #last = new Map<string, DerpMapLayer>();
  readonly #log: Logger;

  constructor(sources: DerpMapSources, log: Logger) {
    this.#sources = sources;
    this.#log = log;
  }

  /** Reads every source again. Never rejects: a failure is logged. */
  async read(): Promise<DerpMap> {
    const { urls, paths, embedded } = this.#sources;
    const layers = await Promise.all([
      ...urls.map((url) => this.#layer(url, () => fetchText(url))),
      ...paths.map((path) => this.#layer(path, () => readFile(path, 'utf8'))),
    ]);
    return mergeDerpMaps([...layers, embedded].filter((layer) => layer !== undefined));
  }

  async #layer(source: string, read: () => Promise<string>): Promise<DerpMapLayer | undefined> {
    try {
      // JSON is YAML too.
      const decoded = decodeDerpMap(parseYaml(await read()));
      if (decoded.ok) this.#last.set(source, decoded.value);
      else this.#log.error({ source, problems: decoded.error }, 'DERP map refused');
    } catch (error) {
      this.#log.error({ source, err: messageOf(error) }, 'DERP map not read');
    }
    return this.#last.get(source);
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const bytes = await response.bytes();
  if (bytes.length > MAX_MAP_BYTES) throw new Error(`${url} is larger than ${MAX_MAP_BYTES} bytes`);
  return new TextDecoder().decode(bytes);
}
