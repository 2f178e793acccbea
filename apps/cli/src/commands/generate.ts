/** `malla generate`: key material. */
import { randomBytes } from 'node:crypto';
import { formatKey } from '@malla/keys/key';
import { clamp } from '@malla/keys/x25519';
import { MallaCommand } from '../command.ts';
import { action, type Cli } from '../invocation.ts';

/** The group. */
export function generateCommand(cli: Cli): MallaCommand {
  const generate = new MallaCommand('generate').alias('gen').description('Generate keys');
  generate
    .command('private-key')
    .description('Generate a private key for the server')
    .action(
      action(cli, async (it) => {
        const text = formatKey('privkey', clamp(randomBytes(32)));
        await it.print({ private_key: text }, text);
      }),
    );
  return generate;
}
