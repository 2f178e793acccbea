/** What a command gets when it runs: its surroundings, and the few ways in which every command acts. */
import type { Command } from 'commander';
import type { Client } from '@malla/api/v1/client';
import type { GlobalOptions } from './command.ts';
import { UsageError } from './failure.ts';
import { formatValue } from './output/format.ts';
import { printableText, renderTable, type Table } from './output/table.ts';
import { confirm } from './prompt.ts';
import type { Terminal } from './terminal.ts';

/** The world outside, as `main.ts` or a test has it. */
export interface Cli {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** Unix ms. */
  readonly now: () => number;
  /** A client of the server that options and environment name. */
  readonly connect: (options: GlobalOptions) => Promise<Client>;
  /** Calls the listener at every such signal, which then no longer ends the process by itself. */
  readonly onSignal: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void) => void;
}

export class Invocation<Options extends object = object> {
  readonly cli: Cli;
  readonly options: Options & GlobalOptions;

  constructor(cli: Cli, options: Options & GlobalOptions) {
    this.cli = cli;
    this.options = options;
  }

  connect(): Promise<Client> {
    return this.cli.connect(this.options);
  }

  /** Prints text for people, which may come from the network, or the value in the format asked for. */
  async print(value: unknown, text: string): Promise<void> {
    const { output } = this.options;
    this.cli.terminal.out.write(
      output === undefined ? `${printableText(text)}\n` : await formatValue(value, output),
    );
  }

  /** Prints a table for people, or the values in the format asked for. */
  async printList(values: readonly unknown[], table: () => Table): Promise<void> {
    const { out } = this.cli.terminal;
    const { output } = this.options;
    out.write(
      output === undefined
        ? await renderTable(table(), { color: out.color })
        : await formatValue(values, output),
    );
  }

  /**
   * Whether the person agrees, or `--force` does. A question that takes work to find is a function. Throws
   * CommandError where nobody can be asked.
   */
  async confirm(question: string | (() => Promise<string>)): Promise<boolean> {
    if (this.options.force === true) return true;
    return confirm(this.cli.terminal, typeof question === 'string' ? question : await question());
  }
}

/** A commander action: builds the invocation and passes the operands on, text or absent. */
export function action<Options extends object>(
  cli: Cli,
  run: (it: Invocation<Options>, ...operands: never[]) => Promise<void>,
): (this: Command) => Promise<void> {
  return async function act(this: Command) {
    const options = this.optsWithGlobals<Options & GlobalOptions>();
    refuseEmpty(this);
    await run(new Invocation(cli, options), ...(this.processedArgs as never[]));
  };
}

/** What a command cannot do without must not be empty text, as a variable that is not set gives. Throws UsageError. */
function refuseEmpty(command: Command): void {
  for (const [index, argument] of command.registeredArguments.entries()) {
    if (argument.required && command.args[index] === '') {
      throw new UsageError(`${argument.name()} must not be empty`);
    }
  }
  for (const flag of command.options) {
    if (flag.mandatory && command.getOptionValue(flag.attributeName()) === '') {
      throw new UsageError(`--${flag.name()} must not be empty`);
    }
  }
}
