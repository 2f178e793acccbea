/**
 * The certificate that a listener shows, from PEM files: an operator's, or of our own making. Files that
 * were replaced, as tools that renew certificates do, are read again; a pair that does not fit together,
 * or cannot be read, keeps the one in use. What must follow it in the chain is an argument: a relay tells
 * clients its key there.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { reasonOf, whyDenied } from '../denied.ts';
import { certificatePin } from './pin.ts';
import { type CertificatePaths, ensureSelfSigned } from './self-signed.ts';
import { type Doubt, doubtsAbout } from './validity.ts';

/** Where a certificate is. */
export interface CertificateFiles extends CertificatePaths {
  /** Not the operator's: a self-signed pair is made at these paths where there is none for the host. */
  readonly selfMade: boolean;
}

/** A certificate of a program's own that follows the files' in the chain. */
export interface ChainFollower {
  /** A new one, PEM. `now` is Unix ms. */
  readonly create: (now: number) => Promise<string>;
  /** How old one may become. */
  readonly renewMs: number;
}

export interface ServerCertificateOptions {
  readonly files: CertificateFiles;
  readonly hostname: string;
  /** Absent: nothing follows the certificates of the file. */
  readonly follower?: ChainFollower;
  readonly log: Logger;
  /** Unix ms; default the system's clock. */
  readonly wallClock?: () => number;
}

/** How often the log is told of a certificate that is about to expire, or has. */
const REMIND_MS = 86_400_000;

/** PEM, as `node:tls` takes it. */
export interface CertificateChain {
  readonly cert: string;
  readonly key: string;
}

export class ServerCertificate {
  readonly #options: ServerCertificateOptions;
  #own: CertificateChain = { cert: '', key: '' };
  #following = '';
  #followerMadeAt = -Infinity;
  #told = '';
  #toldAt = -Infinity;

  private constructor(options: ServerCertificateOptions) {
    this.#options = options;
  }

  /** Reads the files, making them first where asked to. Throws MallaError `config.invalid`. */
  static async open(options: ServerCertificateOptions): Promise<ServerCertificate> {
    const certificate = new ServerCertificate(options);
    try {
      await certificate.#readFiles();
    } catch (error) {
      const { certPath, keyPath, selfMade } = options.files;
      const wanted = selfMade ? 'replace' : 'read';
      const why = whyDenied(certPath, wanted) ?? reasonOf(error, keyPath, wanted);
      throw new MallaError(
        'config.invalid',
        `cannot use the certificate ${certPath} with the key ${keyPath}: ${why}`,
        { cause: error },
      );
    }
    await certificate.#renewFollower();
    certificate.#tellDoubts();
    return certificate;
  }

  /** What the listener shows. */
  get chain(): CertificateChain {
    return { cert: this.#own.cert + this.#following, key: this.#own.key };
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
      this.#tellDoubts();
      return (await this.#renewFollower()) || isNew;
    } catch (error) {
      log.error({ file, err: messageOf(error) }, 'certificate not reloaded');
      return false;
    }
  }

  /** What may keep clients from taking it; nothing of one of our own making, which is known by its pin. */
  get doubts(): readonly Doubt[] {
    const { files, hostname, wallClock = Date.now } = this.#options;
    return files.selfMade ? [] : doubtsAbout(this.#own.cert, hostname, wallClock());
  }

  /** When something new is wrong, and once a day as long as it is. */
  #tellDoubts(): void {
    const { files, log, wallClock = Date.now } = this.#options;
    const { doubts } = this;
    // The days that are left are nothing new by themselves.
    const said = doubts.map(({ text }) => text.replace(/in \d+ days?|within a day/, '')).join();
    const now = wallClock();
    if (said === this.#told && now - this.#toldAt < REMIND_MS) return;
    this.#told = said;
    this.#toldAt = now;
    for (const { level, text } of doubts) {
      log[level]({ file: files.certPath, detail: text }, 'certificate that clients may refuse');
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

  async #renewFollower(): Promise<boolean> {
    const { follower, wallClock = Date.now } = this.#options;
    const now = wallClock();
    if (follower === undefined || now - this.#followerMadeAt < follower.renewMs) return false;
    this.#following = `\n${await follower.create(now)}`;
    this.#followerMadeAt = now;
    return true;
  }
}
