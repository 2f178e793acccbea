/** `malla generate`: key material. */
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
        // Loaded here alone: it is 8 ms of every other command.
        const [{ randomBytes }, { formatKey }, { clamp }] = await Promise.all([
          import('node:crypto'),
          import('@malla/keys/key'),
          import('@malla/keys/x25519'),
        ]);
        const text = formatKey('privkey', clamp(randomBytes(32)));
        await it.print({ private_key: text }, text);
      }),
    );
  return generate;
}
