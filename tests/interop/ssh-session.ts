/**
 * One SSH connection as a person makes it: OpenSSH in a lab host, to a peer that serves Tailscale SSH.
 * What the server shows before the session (banners) and what refuses it come on standard error.
 */
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './lab.ts';
import { until } from './until.ts';

const CONNECT_SECONDS = 10;
/** How long a session may take that waits for nobody: a tunnel to be set up, a login shell. */
const SESSION_MS = 20_000;

/** No keys, no passwords, no configuration and no memory: whatever lets us in is the tailnet. */
const OPTIONS = [
  ['BatchMode', 'yes'],
  ['PreferredAuthentications', 'none'],
  ['StrictHostKeyChecking', 'no'],
  ['UserKnownHostsFile', '/dev/null'],
  ['ConnectTimeout', `${CONNECT_SECONDS}`],
].flatMap(([name, value]) => ['-o', `${name}=${value}`]);

const CHECK_URL = /To authenticate, visit: \S+\/auth\/(hskey-authreq-[0-9a-f]{24})\s/g;

let count = 0;

export class SshSession {
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(child: ChildProcess, logFile: string) {
    this.#child = child;
    this.#logFile = logFile;
  }

  /** Connects, to run a command there. */
  static start(from: Host, user: string, address: string, command: string): SshSession {
    const logFile = join(from.dir, `ssh-${++count}.log`);
    const argv = ['ssh', '-F', '/dev/null', ...OPTIONS, '-l', user, address, command];
    return new SshSession(from.start(argv, logFile), logFile);
  }

  /** What was printed so far: banners, refusals, the command's output; not that the host is new to us. */
  get printed(): string {
    return readFileSync(this.#logFile, 'utf8').replace(/^Warning: Permanently added .*\r?\n/m, '');
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits for the end; the exit code of the command, or 255 when there was no session. */
  async end(): Promise<number | null> {
    await until(
      'the end of an SSH session',
      SESSION_MS,
      () => this.isOver,
      () => this.printed,
    );
    return this.#child.exitCode;
  }

  /** Waits for the banner of a check, another one than `told`; the id under which the connection waits. */
  checkId(told?: string): Promise<string> {
    return until(
      'a banner that asks for a check',
      SESSION_MS,
      () => {
        const ids = [...this.printed.matchAll(CHECK_URL)].map(([, id]) => id);
        return ids.findLast((id) => id !== told);
      },
      () => this.printed,
    );
  }

  /** Waits until something was printed. */
  async untilPrinted(what: RegExp): Promise<void> {
    await until(
      `${what}`,
      SESSION_MS,
      () => what.test(this.printed),
      () => this.printed,
    );
  }
}

/** Makes people with a shell known in a host. */
export function addAccounts(host: Host, ...names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const id = 2001 + index;
    appendFileSync(join(host.dir, 'etc', 'passwd'), `${name}:x:${id}:${id}::/tmp:/bin/sh\n`);
    appendFileSync(join(host.dir, 'etc', 'group'), `${name}:x:${id}:\n`);
    appendFileSync(join(host.dir, 'etc', 'shadow'), `${name}:*:20000:0:99999:7:::\n`);
  }
}
