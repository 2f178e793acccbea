/** Finds the server that a command is meant for: its address and key, or the socket of this machine. */
import type { Client } from '@malla/api/v1/client';
import type { ClientConfig } from '@malla/control/config/load';
import type { GlobalOptions } from './command.ts';
import { readClientConfig, type Surroundings } from './configuration.ts';
import { CommandError } from './failure.ts';

/** A client for the server that options, environment and configuration name. */
export async function connect(options: GlobalOptions, surroundings: Surroundings): Promise<Client> {
  return connectTo(await readClientConfig(options, surroundings));
}

/** A client for the server of a configuration. */
export async function connectTo({ cli, socketPath: path }: ClientConfig): Promise<Client> {
  // Loaded only now: most of the time of a short command is loading.
  const { createClient } = await import('@malla/api/v1/client');
  const { address, apiKey, insecure, timeoutMs } = cli;
  if (address === undefined) {
    const { socketTransport } = await import('./socket-transport.ts');
    return createClient(socketTransport({ path, timeoutMs }));
  }
  if (apiKey === undefined) {
    throw new CommandError('MALLA_CLI_API_KEY environment variable needs to be set');
  }
  const { remoteTransport } = await import('./remote-transport.ts');
  return createClient(remoteTransport({ address, apiKey, insecure, timeoutMs }));
}
