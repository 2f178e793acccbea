/**
 * A certificate and its key from PEM files, read again when they change: tools that renew certificates
 * replace the files. A pair that does not fit together, or cannot be read, keeps the one in use.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { ensureSelfSigned } from '@malla/relay/tls/self-signed';
import type { CertificateFiles } from '../config/config.ts';

export interface PemPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export class TlsFiles {
  readonly #files: CertificateFiles;
  readonly #hostname: string;
  readonly #log: Logger;
  readonly #listeners: ((pair: PemPair) => void)[] = [];
  #pair: PemPair;
  #digest: string;

  private constructor(files: CertificateFiles, hostname: string, pair: PemPair, log: Logger) {
    this.#files = files;
    this.#hostname = hostname;
    this.#pair = pair;
    this.#digest = digestOf(pair);
    this.#log = log;
  }

  /** Reads the files, making a self-signed pair first where that is asked for. Throws MallaError. */
  static async open(files: CertificateFiles, hostname: string, log: Logger): Promise<TlsFiles> {
    try {
      return new TlsFiles(files, hostname, await read(files, hostname), log);
    } catch (error) {
      throw new MallaError(
        'config.invalid',
        `cannot use the certificate ${files.certPath} with the key ${files.keyPath}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  get pair(): PemPair {
    return this.#pair;
  }

  onChange(listener: (pair: PemPair) => void): void {
    this.#listeners.push(listener);
  }

  /** Uses the files as they are now. Never rejects: a failure is logged and changes nothing. */
  async reload(): Promise<void> {
    try {
      const pair = await read(this.#files, this.#hostname);
      const digest = digestOf(pair);
      if (digest === this.#digest) return;
      this.#pair = pair;
      this.#digest = digest;
      for (const listener of this.#listeners) listener(pair);
      this.#log.info({ file: this.#files.certPath }, 'certificate reloaded');
    } catch (error) {
      this.#log.error(
        { file: this.#files.certPath, err: messageOf(error) },
        'certificate not reloaded',
      );
    }
  }
}

async function read(files: CertificateFiles, hostname: string): Promise<PemPair> {
  if (files.selfMade) await ensureSelfSigned(files, hostname);
  const [cert, key] = await Promise.all([readFile(files.certPath), readFile(files.keyPath)]);
  createSecureContext({ cert, key });
  return { cert, key };
}

function digestOf({ cert, key }: PemPair): string {
  return createHash('sha256').update(cert).update(key).digest('hex');
}
