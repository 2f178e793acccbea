/**
 * What `npm start` adds to `malla serve`: a first user, a key for the first device, and the command that
 * uses it, so that a tailnet is one paste away. Which key was handed out is remembered beside the data:
 * the next start without a device revokes it and makes another.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@malla/api/client';
import type { User } from '@malla/api/schemas';
import { MallaError } from '@malla/base/error';
import type { Config } from '@malla/control/config/config';
import { writePrivate } from '@malla/platform/private-file';

/** Owns the first devices, until an administrator makes users by name. */
export const FIRST_USER = 'default';
const KEY_HOURS = 24;
const HOUR_MS = 3_600_000;
const MALLA = fileURLToPath(new URL('../../../../bin/malla', import.meta.url));

export interface FirstRun {
  readonly config: Pick<Config, 'serverUrl' | 'dataDir'>;
  /** As given, so that the commands printed find the same server. */
  readonly configPath: string | undefined;
  readonly dataDir: string | undefined;
  readonly cwd: string;
  /** Unix ms. */
  readonly now: number;
}

/** Makes what is missing and returns the text to print. */
export async function prepareFirstRun(client: Client, context: FirstRun): Promise<string> {
  const { serverUrl, dataDir } = context.config;
  const malla = commandFor(context);
  const [{ users }, { nodes }] = await Promise.all([client.listUsers(), client.listNodes()]);
  const known = users.find(({ name }) => name === FIRST_USER) ?? users[0];
  const head = `malla runs at ${serverUrl}, with its data in ${dataDir}.\n`;
  if (nodes.length > 0) {
    return `${head}
${nodes.length === 1 ? '1 device has' : `${nodes.length} devices have`} joined. To see them, or to make a key for another one:

  ${malla} nodes list
  ${malla} preauthkeys create --user ${known?.name ?? FIRST_USER}
  ${joinCommand(serverUrl, 'KEY')}
`;
  }
  const owner = known ?? (await client.createUser({ name: FIRST_USER })).user;
  const key = await replaceKey(client, owner, context);
  return `${head}
To join the first device, install Tailscale on it (https://tailscale.com/download) and run, as root:

  ${joinCommand(serverUrl, key)}

The key is good for one device and ${KEY_HOURS} hours. To see the device, and to make a key for the next:

  ${malla} nodes list
  ${malla} preauthkeys create --user ${owner.name}
${reachabilityHint(serverUrl)}
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

/** How to run malla from here, meaning this server. */
function commandFor({ cwd, configPath, dataDir }: FirstRun): string {
  const near = relative(cwd, MALLA);
  const program = near.startsWith('..') ? 'malla' : near;
  if (configPath !== undefined) return `${program} -c ${configPath}`;
  return dataDir === undefined ? program : `MALLA_DATA_DIR=${dataDir} ${program}`;
}

/** A server on loopback is of no use to other machines: says how to start one that is. */
function reachabilityHint(serverUrl: string): string {
  const { hostname, port } = new URL(serverUrl);
  if (!/^(?:localhost|127\..*|\[::1\])$/.test(hostname)) return '';
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  const example = `http://${own?.address ?? '192.168.1.10'}:${port === '' ? 80 : port}`;
  return `
Only this machine can reach that address. For other machines, start it with one that they reach:

  npm start -- --url ${example}
`;
}
