/**
 * The certificate that a listener shows, from PEM files: an operator's, or of our own making. Files that
 * were replaced, as tools that renew certificates do, are read again; a pair that does not fit together,
 * or cannot be read, keeps the one in use. A relay's is followed by the meta certificate that lets
 * clients start fast.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { createMetaCertificate, META_RENEW_MS } from './meta-certificate.ts';
import { certificatePin } from './pin.ts';
import { type CertificatePaths, ensureSelfSigned } from './self-signed.ts';

/** Where a certificate is. */
export interface CertificateFiles extends CertificatePaths {
  /** Not the operator's: a self-signed pair is made at these paths where there is none for the host. */
  readonly selfMade: boolean;
}

export interface ServerCertificateOptions {
  readonly files: CertificateFiles;
  readonly hostname: string;
  /** The relay's public DERP key. Absent: no meta certificate. */
  readonly derpKey?: Uint8Array;
  readonly log: Logger;
  /** Unix ms; default the system's clock. */
  readonly wallClock?: () => number;
}

/** PEM, as `node:tls` takes it. */
export interface CertificateChain {
  readonly cert: string;
  readonly key: string;
}

export class ServerCertificate {
  readonly #options: ServerCertificateOptions;
  #own: CertificateChain = { cert: '', key: '' };
  #meta = '';
  #metaMadeAt = -Infinity;

  private constructor(options: ServerCertificateOptions) {
    this.#options = options;
  }

  /** Reads the files, making them first where asked to. Throws MallaError `config.invalid`. */
  static async open(options: ServerCertificateOptions): Promise<ServerCertificate> {
    const certificate = new ServerCertificate(options);
    try {
      await certificate.#readFiles();
    } catch (error) {
      const { certPath, keyPath } = options.files;
      throw new MallaError(
        'config.invalid',
        `cannot use the certificate ${certPath} with the key ${keyPath}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    await certificate.#renewMeta();
    return certificate;
  }

  /** What the listener shows. */
  get chain(): CertificateChain {
    return { cert: this.#own.cert + this.#meta, key: this.#own.key };
  }

  /** How clients recognise the certificate (`CertName` in the DERP map). */
  get pin(): string {
    return certificatePin(this.#own.cert);
  }

  /** Whether there is another chain now. Never rejects: a failure is logged and changes nothing. */
  async refresh(): Promise<boolean> {
    const { files, log } = this.#options;
    const file = files.certPath;
    try {
      const isNew = await this.#readFiles();
      if (isNew) log.info({ file }, 'certificate reloaded');
      return (await this.#renewMeta()) || isNew;
    } catch (error) {
      log.error({ file, err: messageOf(error) }, 'certificate not reloaded');
      return false;
    }
  }

  async #readFiles(): Promise<boolean> {
    const { files, hostname } = this.#options;
    if (files.selfMade) await ensureSelfSigned(files, hostname);
    const [cert, key] = await Promise.all([
      readFile(files.certPath, 'utf8'),
      readFile(files.keyPath, 'utf8'),
    ]);
    if (cert === this.#own.cert && key === this.#own.key) return false;
    createSecureContext({ cert, key }); // throws unless they fit together
    this.#own = { cert, key };
    return true;
  }

  async #renewMeta(): Promise<boolean> {
    const { derpKey, wallClock = Date.now } = this.#options;
    const now = wallClock();
    if (derpKey === undefined || now - this.#metaMadeAt < META_RENEW_MS) return false;
    this.#meta = `\n${await createMetaCertificate(derpKey, now)}`;
    this.#metaMadeAt = now;
    return true;
  }
}
