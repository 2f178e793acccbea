/** Finds the server that a command is meant for: its address and key, or the socket of this machine. */
import type { Client } from '@malla/api/client';
import type { GlobalOptions } from './command.ts';
import { readConfig, type Surroundings } from './configuration.ts';
import { CommandError } from './failure.ts';

/** A client for it. Loads what it needs only now: most of the time of a short command is loading. */
export async function connect(options: GlobalOptions, surroundings: Surroundings): Promise<Client> {
  const [{ config }, { createClient }, { remoteTransport, socketTransport }] = await Promise.all([
    readConfig(options, surroundings),
    import('@malla/api/client'),
    import('./transport.ts'),
  ]);
  const { address, apiKey, insecure, timeoutMs } = config.cli;
  if (address === undefined) {
    return createClient(socketTransport({ path: config.listen.unixSocket.path, timeoutMs }));
  }
  if (apiKey === undefined) {
    throw new CommandError('MALLA_CLI_API_KEY environment variable needs to be set');
  }
  return createClient(remoteTransport({ address, apiKey, insecure, timeoutMs }));
}
