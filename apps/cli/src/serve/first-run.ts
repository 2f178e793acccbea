/**
 * What `malla serve --first-run`, and so `npm start`, adds to a server: a first user, a key for the first device, and
 * the command that uses it, so that a tailnet is one paste away. Which key was handed out is remembered beside the
 * data: the next start without a device revokes it and makes another.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@malla/api/v1/client';
import type { User } from '@malla/api/v1/schemas';
import { MallaError } from '@malla/base/error';
import { isPrivateToClients } from '@malla/control/config/address';
import type { Config } from '@malla/control/config/config';
import { writePrivate } from '@malla/platform/private-file';

/** Owns the first devices, until an administrator makes users by name. */
export const FIRST_USER = 'default';
const KEY_HOURS = 24;
const HOUR_MS = 3_600_000;

export interface FirstRun {
  readonly config: Pick<Config, 'serverUrl' | 'dataDir'>;
  /** How malla is called from here, meaning this server. */
  readonly call: string;
  /** What started this server, for another time with other options. */
  readonly started: string;
  /** Of this machine. */
  readonly addresses: readonly string[];
  /** Unix ms. */
  readonly now: number;
}

/** Makes what is missing and returns the text to print. */
export async function prepareFirstRun(client: Client, context: FirstRun): Promise<string> {
  const { serverUrl, dataDir } = context.config;
  const [{ users }, { nodes }] = await Promise.all([client.listUsers(), client.listNodes()]);
  const known = users.find(({ name }) => name === FIRST_USER) ?? users[0];
  const head = `malla runs at ${serverUrl}, with its data in ${dataDir}.\n`;
  if (nodes.length > 0) {
    return `${head}
${nodes.length === 1 ? '1 device has' : `${nodes.length} devices have`} joined. To see them, or to make a key for another one:

  ${context.call} nodes list
  ${context.call} preauthkeys create --user ${known?.name ?? FIRST_USER}
  ${joinCommand(serverUrl, 'KEY')}
`;
  }
  const owner = known ?? (await client.createUser({ name: FIRST_USER })).user;
  const key = await replaceKey(client, owner, context);
  return `${head}
To join the first device, install Tailscale on it (https://tailscale.com/download) and run, as root:

  ${joinCommand(serverUrl, key)}

The key is good for one device and ${KEY_HOURS} hours, or until the server starts again without one: then there is another. To see the device, and to make a key for the next:

  ${context.call} nodes list
  ${context.call} preauthkeys create --user ${owner.name}
${reachabilityHint(context)}
Ctrl-C stops the server; devices stay joined and come back when it does.
`;
}

function joinCommand(serverUrl: string, key: string): string {
  return `tailscale up --login-server ${serverUrl} --authkey ${key}`;
}

/** Creates a key; the one that was handed out before it becomes void. */
async function replaceKey(client: Client, owner: User, context: FirstRun): Promise<string> {
  const file = join(context.config.dataDir, 'first-run-key');
  const formerId = await readIfPresent(file);
  const { preAuthKey } = await client.createPreAuthKey({
    user: owner.id,
    expiration: new Date(context.now + KEY_HOURS * HOUR_MS).toISOString(),
  });
  await writePrivate(file, `${preAuthKey.id}\n`);
  if (/^\d+$/.test(formerId)) await expireIfPresent(client, formerId);
  return preAuthKey.key;
}

async function readIfPresent(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

async function expireIfPresent(client: Client, id: string): Promise<void> {
  try {
    await client.expirePreAuthKey({ id });
  } catch (error) {
    if (!(error instanceof MallaError && error.code === 'preauth-key.not-found')) throw error;
  }
}

/**
 * A server on loopback is of no use to other machines: says how to start one that is. Over http:// clients
 * come back only to an address of a private network, so no other is suggested with it.
 */
function reachabilityHint({ config, started, addresses }: FirstRun): string {
  const { hostname, port } = new URL(config.serverUrl);
  if (!/^(?:localhost|127\..*|\[::1\])$/.test(hostname)) return '';
  const own = addresses.find((address) => isPrivateToClients(address));
  const wherePort = port === '' ? '' : `:${port}`;
  if (own === undefined && addresses.length > 0) {
    return `
Only this machine can reach that address. This machine has no private address, and at any other clients need https://:
give it a name and a certificate, or a reverse proxy that has them (docs/guide/install.md), and start it with

  ${started} --url https://vpn.example.org
`;
  }
  return `
Only this machine can reach that address. For other machines, start it with one that they reach:

  ${started} --url http://${own ?? '192.168.1.10'}${wherePort}
`;
}

/** The IPv4 addresses of this machine by which others may reach it. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}
