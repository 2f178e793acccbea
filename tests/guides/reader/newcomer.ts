/**
 * Whoever follows a guide: types its commands as they stand, in a shell where `sudo` is at hand and what the test
 * puts there, and compares what comes with what the guide says. What a guide leaves to its reader, such as a
 * name or an id, is filled in by the test.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Output, RunOptions } from '../../interop/lab.ts';
import type { Block } from './guide.ts';
import { printedAs, stepsOf } from './session.ts';

/** Where commands are run: a host of the lab, a folder of this machine, a container. */
export interface Machine {
  /** A folder of its own. */
  readonly dir: string;
  run(argv: readonly string[], options?: RunOptions): Promise<Output>;
}

/** What stands in a guide for something of the reader's, and what that is here. */
export type FilledIn = Readonly<Record<string, string>>;

export class Newcomer {
  readonly #machine: Machine;
  readonly #bin: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #folder: string;

  /**
   * `env` is what commands find in their environment, beside a PATH of their own; `folder` is where they are typed,
   * the machine's own if nothing else is said.
   */
  constructor(
    machine: Machine,
    env: Readonly<Record<string, string>> = {},
    folder: string = machine.dir,
  ) {
    this.#machine = machine;
    this.#folder = folder;
    this.#bin = join(machine.dir, 'bin');
    mkdirSync(this.#bin, { recursive: true });
    this.#env = {
      // It would be told of certificates that a host of the lab does not have.
      NODE_EXTRA_CA_CERTS: '',
      ...env,
      PATH: [this.#bin, process.env['PATH']].join(delimiter),
    };
    // On a terminal it shows no progress of so little; here it does not know that it is on one.
    writeFileSync(join(machine.dir, '.curlrc'), 'no-progress-meter\n');
    // Tests of what needs root run as root.
    this.has('sudo', 'exec "$@"');
  }

  /** Puts a command at hand: a line of shell. */
  has(name: string, line: string): void {
    const file = join(this.#bin, name);
    writeFileSync(file, `#!/bin/sh\n${line}\n`);
    chmodSync(file, 0o755);
  }

  /** Runs the commands of a block, up to the first that fails, which fails the test. Returns what they printed. */
  async types(block: Block, filledIn: FilledIn = {}): Promise<string> {
    assert.equal(block.language, 'sh', block.at);
    return this.#succeeds(fill(block, block.text, filledIn), block.at);
  }

  /** Runs each command of a session and compares what it prints with what the guide shows below it. */
  async sees(block: Block, filledIn: FilledIn = {}): Promise<void> {
    assert.equal(block.language, 'console', block.at);
    for (const { command, printed } of stepsOf(fill(block, block.text, filledIn))) {
      const { stdout } = await this.#shell(command);
      assert.ok(
        printedAs(printed, stdout),
        `${block.at}: ${command}\nis said to print\n${printed}\nand prints\n${stdout}`,
      );
    }
  }

  /** Runs commands that no guide shows, and returns what they printed; rejects when one fails. */
  async says(script: string): Promise<string> {
    return (await this.#succeeds(script, 'the test')).trimEnd();
  }

  async #succeeds(script: string, at: string): Promise<string> {
    const { code, stdout } = await this.#shell(script);
    assert.equal(code, 0, `${at}: ${script}\nexits with ${code}:\n${stdout}`);
    return stdout;
  }

  /** Both outputs in one, as a terminal shows them. */
  #shell(script: string): Promise<Output> {
    const argv = ['sh', '-e', '-c', `exec 2>&1; cd "$0"\n${script}`, this.#folder];
    return this.#machine.run(argv, { env: this.#env });
  }
}

/** Fills in what is the reader's; all of it must be there. */
function fill(block: Block, text: string, filledIn: FilledIn): string {
  let filled = text;
  for (const [placeholder, value] of Object.entries(filledIn)) {
    assert.ok(text.includes(placeholder), `${block.at} has “${placeholder}”`);
    filled = filled.replaceAll(placeholder, value);
  }
  return filled;
}
