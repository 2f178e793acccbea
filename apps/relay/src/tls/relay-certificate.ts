/**
 * The certificate a relay shows: from the operator's files or of its own making, always followed by the
 * meta certificate that lets clients start fast. It is refreshed every now and then: files that were
 * replaced are read again, and the meta certificate is made anew. Whatever cannot be used keeps the one
 * in use.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { createMetaCertificate, META_RENEW_MS } from './meta-certificate.ts';
import { certificatePin } from './pin.ts';
import { type CertificatePaths, ensureSelfSigned } from './self-signed.ts';

export interface RelayCertificateOptions {
  readonly files: CertificatePaths;
  /** Made at these paths where there is none for `hostname`; otherwise they are the operator's. */
  readonly selfMade: boolean;
  readonly hostname: string;
  /** The relay's DERP key. */
  readonly serverPublic: Uint8Array;
  readonly log: Logger;
  /** Unix ms. */
  readonly wallClock: () => number;
}

/** PEM, as `node:tls` takes it. */
export interface CertificateChain {
  readonly cert: string;
  readonly key: string;
}

export class RelayCertificate {
  readonly #options: RelayCertificateOptions;
  #own: CertificateChain = { cert: '', key: '' };
  #meta = '';
  #metaMadeAt = 0;

  private constructor(options: RelayCertificateOptions) {
    this.#options = options;
  }

  /** Reads the files, making them first where asked to. Throws MallaError `config.invalid`. */
  static async open(options: RelayCertificateOptions): Promise<RelayCertificate> {
    const certificate = new RelayCertificate(options);
    try {
      await certificate.#load();
    } catch (error) {
      const { certPath, keyPath } = options.files;
      throw new MallaError(
        'config.invalid',
        `cannot use the certificate ${certPath} with the key ${keyPath}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    return certificate;
  }

  /** What the listener shows. */
  get chain(): CertificateChain {
    return { cert: `${this.#own.cert}\n${this.#meta}`, key: this.#own.key };
  }

  /** How clients recognise the certificate (`CertName` in the DERP map). */
  get pin(): string {
    return certificatePin(this.#own.cert);
  }

  /** Whether there is another chain now. Never rejects: a failure is logged and changes nothing. */
  async refresh(): Promise<boolean> {
    try {
      return await this.#load();
    } catch (error) {
      const { certPath: file } = this.#options.files;
      this.#options.log.error({ file, err: messageOf(error) }, 'certificate not reloaded');
      return false;
    }
  }

  async #load(): Promise<boolean> {
    const { files, hostname, serverPublic, selfMade, wallClock } = this.#options;
    if (selfMade) await ensureSelfSigned(files, hostname);
    const [cert, key] = await Promise.all([
      readFile(files.certPath, 'utf8'),
      readFile(files.keyPath, 'utf8'),
    ]);
    const isNew = cert !== this.#own.cert || key !== this.#own.key;
    if (isNew) createSecureContext({ cert, key }); // throws unless they fit together
    const now = wallClock();
    const isMetaOld = now - this.#metaMadeAt >= META_RENEW_MS;
    if (isMetaOld) {
      this.#meta = await createMetaCertificate(serverPublic, now);
      this.#metaMadeAt = now;
    }
    this.#own = { cert, key };
    return isNew || isMetaOld;
  }
}
