/** A program that runs beside a test: what it says, and its end. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after } from 'node:test';

export class Program {
  stdout = '';
  stderr = '';
  readonly exitCode: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();

  /** `atEnd` is told how to end it; default: when the test ends that makes it, which is no suite's `before`. */
  constructor(child: ChildProcess, atEnd: (end: () => void) => void = after) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) =>
      this.#look(() => (this.stdout += chunk.toString())),
    );
    child.stderr?.on('data', (chunk: Buffer) =>
      this.#look(() => (this.stderr += chunk.toString())),
    );
    this.exitCode = once(child, 'close').then(() => {
      this.#look(() => {});
      return child.exitCode;
    });
    atEnd(() => void child.kill('SIGKILL'));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Waits until it has written a text to its standard output; all that it has written there. */
  stdoutWith(text: string): Promise<string> {
    return this.#until(() => (this.stdout.includes(text) ? this.stdout : undefined), text);
  }

  /** The same of its standard error. */
  stderrWith(text: string): Promise<string> {
    return this.#until(() => (this.stderr.includes(text) ? this.stderr : undefined), text);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end; the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    this.kill(signal);
    return this.exitCode;
  }

  #until(found: () => string | undefined, wanted: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const text = found();
        if (text !== undefined) resolve(text);
        else if (this.#child.exitCode === null && this.#child.signalCode === null) return;
        else reject(new Error(`ended without "${wanted}": ${this.stderr}`));
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
  }

  #look(change: () => void): void {
    change();
    for (const watcher of this.#watchers) watcher();
  }
}
