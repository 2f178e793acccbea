/**
 * Loads the configuration: flags before environment before file before defaults, everything checked
 * and every problem reported at once. The only place that is given the environment.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fail, ok, type Result } from '@malla/base/result';
import { isLoopback } from './address.ts';
import { assembleDataDir, assembleSocketPath } from './assemble-listen.ts';
import { assembleCli, assembleConfig } from './assemble.ts';
import type { Config, ConfigNote, ConfigProblem, LoadedConfig } from './config.ts';
import { readDocument, type ReadDocument } from './document.ts';
import { readEnvironment, type Environment, type ReadEnvironment } from './environment.ts';
import type { Given } from './given.ts';
import { glance } from './glance.ts';
import { locateConfig, type ConfigFile, type ReadFile } from './locate.ts';
import { Settings, type Origin } from './settings.ts';

/** What the command line sets, over everything else. */
export interface Overrides {
  /** `--url`: the server's URL. With http it also listens on all addresses, at the URL's port. */
  readonly url?: string | undefined;
  /** `--listen`. */
  readonly listen?: string | undefined;
  /** `--data-dir`: relative to the current folder. */
  readonly dataDir?: string | undefined;
}

export interface LoadOptions {
  /** The file that the command line names. */
  readonly path?: string | undefined;
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
  readonly overrides?: Overrides;
  /** Default: from the file system. */
  readonly readFile?: ReadFile;
}

/** What a command needs to reach a server; what else the file holds is the server's business. */
export interface ClientConfig {
  readonly socketPath: string;
  readonly cli: Config['cli'];
}

/** Loads the whole configuration. Never throws, whatever the file holds. */
export function loadConfig(options: LoadOptions): Result<LoadedConfig, readonly ConfigProblem[]> {
  const read = readAll(options);
  if (!read.ok) return read;
  const { file, document, environment, settings, readFile } = read.value;
  if (isUnreadable(document)) return fail(document.problems);
  const config = assembleConfig(settings, readFile);
  const problems = [...document.problems, ...settings.problems];
  if (problems.length > 0) return fail(problems.toSorted(byPlace));
  const warnings = [...document.notes, ...environment.notes, ...settings.notes].toSorted(byPlace);
  return ok({
    config: deepFreeze(config),
    warnings: [...noteFallback(file), ...warnings],
    source: file?.path,
    placeOf: (key) => settings.placeOf(key),
  });
}

/**
 * Loads only what a command needs, so that a file that is made for commands alone, or has a mistake
 * elsewhere, does. Never throws.
 */
export function loadClientConfig(
  options: LoadOptions,
): Result<ClientConfig, readonly ConfigProblem[]> {
  const read = readAll(options, glanceOrRead);
  if (!read.ok) return read;
  const { document, settings, readFile } = read.value;
  if (isUnreadable(document)) return fail(document.problems);
  const socketPath = assembleSocketPath(settings, assembleDataDir(settings));
  const cli = assembleCli(settings, readFile);
  const all = [...document.problems, ...settings.problems];
  const problems = all.filter(({ key }) => key !== undefined && isClientKey(key));
  if (problems.length > 0) return fail(problems.toSorted(byPlace));
  return ok(deepFreeze({ socketPath, cli }));
}

/** Most files say plainly what a command needs; of others it is found with the whole document. */
function glanceOrRead(text: string, source: string): ReadDocument {
  const given = glance(text, source);
  return given === undefined ? readDocument(text, source) : { given, problems: [], notes: [] };
}

/** Nothing is known of such a file's keys, so nothing can be said about them. */
function isUnreadable({ problems }: ReadDocument): boolean {
  return problems.some(({ key }) => key === undefined);
}

function isClientKey(key: string): boolean {
  return key === 'unix_socket' || key === 'data_dir' || key.startsWith('cli.');
}

interface ReadConfig {
  readonly file: ConfigFile | undefined;
  readonly document: ReadDocument;
  readonly environment: ReadEnvironment;
  readonly settings: Settings;
  readonly readFile: ReadFile;
}

function readAll(
  options: LoadOptions,
  readText: (text: string, source: string) => ReadDocument = readDocument,
): Result<ReadConfig, readonly ConfigProblem[]> {
  const readFile = options.readFile ?? ((path) => readFileSync(path, 'utf8'));
  const located = locateConfig(options, readFile);
  if (!located.ok) return fail([located.error]);
  const file = located.value;
  const document: ReadDocument =
    file === undefined
      ? { given: new Map(), problems: [], notes: [] }
      : readText(file.text, file.shown);
  const environment = readEnvironment(options.env);
  const settings = new Settings({
    layers: [flags(options), environment.given, document.given],
    source: file?.shown ?? 'configuration',
    baseDir: file === undefined ? options.cwd : dirname(file.path),
    origin: originOf(file),
  });
  return ok({ file, document, environment, settings, readFile });
}

function originOf(file: ConfigFile | undefined): Origin {
  if (file === undefined) return 'none';
  return file.isHeadscales ? 'headscale' : 'malla';
}

function noteFallback(file: ConfigFile | undefined): ConfigNote[] {
  if (file?.isFallback !== true) return [];
  const message = "using headscale's configuration, as there is none of malla's";
  return [{ level: 'note', source: file.shown, line: undefined, key: undefined, message }];
}

/** On all addresses, as one behind a router is none of this machine's; what only this machine finds is for it alone. */
function listenHost(hostname: string): string {
  if (isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'))) {
    return hostname === 'localhost' ? '127.0.0.1' : hostname;
  }
  return hostname.startsWith('[') ? '' : '0.0.0.0';
}

function flags({ overrides = {}, cwd }: LoadOptions): ReadonlyMap<string, Given> {
  const given = new Map<string, Given>();
  const set = (key: string, source: string, text: string): void => {
    given.set(key, { source, line: undefined, value: text, text });
  };
  if (overrides.url !== undefined) {
    set('server_url', '--url', overrides.url);
    const url = URL.canParse(overrides.url) ? new URL(overrides.url) : undefined;
    if (url?.protocol === 'http:') {
      set('listen_addr', '--url', `${listenHost(url.hostname)}:${url.port === '' ? 80 : url.port}`);
    }
  }
  if (overrides.listen !== undefined) set('listen_addr', '--listen', overrides.listen);
  if (overrides.dataDir !== undefined)
    set('data_dir', '--data-dir', resolve(cwd, overrides.dataDir));
  return given;
}

/** The file's first, in order of lines; those about what is not in it after them. */
function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? Infinity) - (b.line ?? Infinity) || 0;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
