/**
 * What a start would find besides the configuration itself: the files that it names, its folders, keys and
 * database, looked at with the code that the server uses. Nothing is made or changed and no port is
 * taken, so it may be asked while a server runs, and by somebody else than the user that it runs as.
 */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '@malla/base/error';
import { silentLogger } from '@malla/base/logger';
import { isNotThere, whyDenied, whyDeniedTo, type Wanted } from '@malla/platform/denied';
import { loadKey } from '@malla/platform/key-file';
import { ownershipOf } from '@malla/platform/ownership';
import { type CertificateFiles, ServerCertificate } from '@malla/platform/tls/server-certificate';
import { type DerpMapLayer, mergeDerpMaps } from '@malla/wire/tailcfg/derp-map';
import { hostOf } from './config/address.ts';
import type { Config, ConfigNote, ConfigProblem, LoadedConfig } from './config/config.ts';
import type { KeyName } from './config/keys/table.ts';
import { doubtsAbout, hasRelay } from './derp-doubts.ts';
import { readDerpFile } from './derp-maps.ts';
import { readRecordFile } from './dns/record-file.ts';
import { embeddedLayer } from './embedded-map-node.ts';
import { checkDatabase } from './store/sqlite/maintenance.ts';

export interface Findings {
  /** A server would not start, or would lack what a key names. */
  readonly problems: readonly ConfigProblem[];
  readonly notes: readonly ConfigNote[];
}

/** Looks at everything but the policy. Never rejects. `now` is Unix ms. */
export async function preflight(loaded: LoadedConfig, now: number): Promise<Findings> {
  const check = new Preflight(loaded, now);
  await check.run();
  return check;
}

const NO_RELAY =
  'leaves no relay at all, and clients do not connect without one: mend the file, or set derp.server.enabled to true';

class Preflight implements Findings {
  readonly problems: ConfigProblem[] = [];
  readonly notes: ConfigNote[] = [];
  readonly #loaded: LoadedConfig;
  readonly #config: Config;
  readonly #now: number;
  /** As whom the server runs, going by its folder, where that is somebody else than who asks. */
  readonly #runner: number | undefined;

  constructor(loaded: LoadedConfig, now: number) {
    this.#loaded = loaded;
    this.#config = loaded.config;
    this.#now = now;
    const owner = ownershipOf(loaded.config.dataDir)?.uid;
    this.#runner = owner === process.geteuid?.() ? undefined : owner;
  }

  async run(): Promise<void> {
    const { listen, derp, tailnet, noise, database, serverUrl } = this.#config;
    const { dns } = tailnet;
    this.#checkFolders();
    this.#checkDatabase(database.path);
    await this.#checkKey('noise.private_key_path', noise.privateKeyPath);
    const hostname = hostOf(new URL(serverUrl));
    await this.#checkCertificate('tls_cert_path', listen.tls, hostname);
    if (derp.server !== undefined) {
      const { own, privateKeyPath, hostname: relayHost } = derp.server;
      await this.#checkKey('derp.server.private_key_path', privateKeyPath);
      await this.#checkCertificate('derp.server.cert_path', own, relayHost);
    }
    if (dns.extraRecordsPath !== undefined) await this.#checkRecords(dns.extraRecordsPath);
    await this.#checkRelays(hostname);
  }

  #checkFolders(): void {
    const { dataDir, database, noise, derp, listen } = this.#config;
    const folders = new Map<string, KeyName>([
      [dirname(listen.unixSocket.path), 'unix_socket'],
      [
        dirname(derp.server?.privateKeyPath ?? noise.privateKeyPath),
        'derp.server.private_key_path',
      ],
      [dirname(noise.privateKeyPath), 'noise.private_key_path'],
      [dirname(database.path), 'database.sqlite.path'],
      [dataDir, 'data_dir'],
    ]);
    for (const [folder, key] of folders) {
      const found = statSync(folder, { throwIfNoEntry: false });
      if (found?.isDirectory() === false) this.#problem(key, `${folder} is no folder`);
      // A service manager may make it, for the right user, just before the start.
      else if (found !== undefined || this.#runner === undefined) {
        this.#mayUse(key, join(folder, 'new'), 'replace');
      }
      if (found === undefined && key === 'data_dir') {
        // More than one folder that is missing is rather a misspelled one.
        const level = this.#isThere(dirname(folder)) ? 'note' : 'warning';
        this.#note(level, key, `${folder} does not exist yet: it is made at the first start`);
      }
    }
  }

  #checkDatabase(path: string): void {
    if (!this.#isThere(path) || !this.#mayUse('database.sqlite.path', path, 'replace')) return;
    try {
      checkDatabase(path);
    } catch (error) {
      this.#problem('database.sqlite.path', messageOf(error));
    }
  }

  async #checkKey(key: KeyName, path: string): Promise<void> {
    if (!this.#isThere(path) || !this.#mayUse(key, path, 'read')) return;
    try {
      await loadKey(path);
    } catch (error) {
      this.#problem(key, messageOf(error));
    }
  }

  /** One of malla's own making is made anew where it does not do. */
  async #checkCertificate(
    key: KeyName,
    files: CertificateFiles | undefined,
    hostname: string,
  ): Promise<void> {
    if (files === undefined || files.selfMade) return;
    const may = [files.certPath, files.keyPath].map((path) => this.#mayUse(key, path, 'read'));
    if (may.includes(false)) return;
    try {
      const wallClock = (): number => this.#now;
      const options = { files, hostname, log: silentLogger, wallClock };
      const { doubts } = await ServerCertificate.open(options);
      for (const { text } of doubts) this.#note('warning', key, `${files.certPath}: ${text}`);
    } catch (error) {
      this.#problem(key, messageOf(error));
    }
  }

  async #checkRecords(path: string): Promise<void> {
    const key = 'dns.extra_records_path';
    if (!this.#mayUse(key, path, 'read')) return;
    const read = await readRecordFile(path);
    if (!read.ok) return this.#unread(key, path, read.error);
    for (const detail of read.value.leftOut) this.#note('warning', key, `${path}: ${detail}`);
  }

  /** The server starts without a file that a program may be about to write. */
  #unread(key: KeyName, path: string, error: string): void {
    const text = `${path}: ${error}`;
    if (isNotThere(error)) this.#note('warning', key, text);
    else this.#problem(key, text);
  }

  async #checkRelays(serverHost: string): Promise<void> {
    const { server, urls, paths } = this.#config.derp;
    const layers: (DerpMapLayer | undefined)[] = [];
    for (const path of paths) layers.push(await this.#readLayer(path));
    if (server !== undefined) layers.push(embeddedLayer(server, undefined));
    const map = mergeDerpMaps(layers.filter((layer) => layer !== undefined));
    // What URLs give is not known here, nor what a program writes into a file that is missing.
    if (urls.length === 0 && layers.some((layer) => layer !== undefined) && !hasRelay(map)) {
      this.#problem('derp.paths', NO_RELAY);
    }
    for (const doubt of doubtsAbout(map, serverHost)) {
      this.#note('warning', server === undefined ? 'derp.paths' : 'derp.server.hostname', doubt);
    }
  }

  async #readLayer(path: string): Promise<DerpMapLayer | undefined> {
    const key = 'derp.paths';
    if (!this.#mayUse(key, path, 'read')) return undefined;
    const read = await readDerpFile(path);
    if (!read.ok) this.#unread(key, path, read.error);
    else if (read.value === undefined) {
      this.#note('warning', key, `${path} is empty`);
      return { Regions: {} };
    } else {
      for (const detail of read.value.leftOut) {
        this.#note('warning', key, `${path}: left out: ${detail}`);
      }
      for (const detail of read.value.corrected) this.#note('warning', key, `${path}: ${detail}`);
      return read.value.layer;
    }
    return undefined;
  }

  #isThere(path: string): boolean {
    try {
      return statSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch {
      return true; // behind a folder that one may not enter, which is told then
    }
  }

  /** Whether it can be looked at here; that the server cannot is told. */
  #mayUse(key: KeyName, path: string, wanted: Wanted): boolean {
    const runner = this.#runner;
    const theirs = runner === undefined ? undefined : whyDeniedTo(runner, path, wanted);
    const ours = whyDenied(path, runner === undefined ? wanted : 'read');
    if (theirs !== undefined) this.#problem(key, theirs);
    else if (ours !== undefined && runner === undefined) this.#problem(key, ours);
    else if (ours !== undefined) this.#note('warning', key, `not looked at: ${ours}`);
    return theirs === undefined && ours === undefined;
  }

  #problem(key: KeyName, message: string): void {
    // A certificate and its key lie behind the same closed folder.
    if (this.problems.some((problem) => problem.key === key && problem.message === message)) return;
    this.problems.push({ ...this.#loaded.placeOf(key), key, message });
  }

  #note(level: ConfigNote['level'], key: KeyName, message: string): void {
    this.notes.push({ level, ...this.#loaded.placeOf(key), key, message });
  }
}
