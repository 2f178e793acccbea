/** Our command line in this process, against a real server: what it prints, and its exit code. */
import assert from 'node:assert/strict';
import { connect } from '@malla/cli/connect';
import type { Cli } from '@malla/cli/invocation';
import { run } from '@malla/cli/program';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A time as programs are told it. */
export interface PrintedTime {
  readonly seconds: number;
  readonly nanos: number;
}

/** What `--output json` has otherwise than the REST API; see decision 0032. */
export type Printed<T> = Omit<T, 'id' | 'expiry' | 'expiration'> & {
  readonly id: number;
  readonly expiry?: PrintedTime;
  readonly expiration?: PrintedTime;
};

/** Unix ms; NaN where there is none. */
export function msOf(time: PrintedTime | undefined): number {
  return time === undefined ? Number.NaN : time.seconds * 1000 + time.nanos / 1_000_000;
}

export class CommandLine {
  readonly #env: Readonly<Record<string, string>>;
  readonly #cwd: string;

  /** Commands find their server by these variables, or by what they are given with `-c`. */
  constructor(env: Readonly<Record<string, string>>, cwd: string = '/') {
    this.#env = env;
    this.#cwd = cwd;
  }

  /** Runs `malla`; the line's words are separated by single blanks. */
  async run(line: string): Promise<Outcome> {
    let stdout = '';
    let stderr = '';
    const surroundings = { env: this.#env, cwd: this.#cwd };
    const cli: Cli = {
      ...surroundings,
      terminal: {
        out: { color: false, write: (text) => void (stdout += text) },
        err: { color: false, write: (text) => void (stderr += text) },
        in: { isTerminal: false, readLine: () => Promise.resolve(undefined) },
      },
      now: Date.now,
      connect: (options) => connect(options, surroundings),
      onSignal() {},
    };
    const code = await run(line.split(' '), cli);
    return { code, stdout, stderr };
  }

  /** What a command that succeeds prints, without the line's end. */
  async say(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(line);
    assert.equal(code, 0, `malla ${line}: ${stderr}`);
    assert.equal(stderr, '');
    return stdout.trimEnd();
  }

  /** What it prints with `--output json`. */
  async json<T>(line: string): Promise<T> {
    return JSON.parse(await this.say(`${line} --output json`)) as T;
  }

  /** The message of a command that fails. */
  async fail(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(line);
    assert.equal(code, 1, `malla ${line} succeeded: ${stdout}`);
    assert.equal(stdout, '');
    assert.match(stderr, /^Error: /);
    return stderr.slice('Error: '.length).trimEnd();
  }
}
