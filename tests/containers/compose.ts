/** A service of a Compose file as arguments of `podman run`: of its keys those that files for malla have. */
import { join } from 'node:path';
import { parse } from 'yaml';

interface Service {
  readonly image: string;
  readonly command?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly tmpfs?: string | readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

/** What stands for something that this does not need, or means nothing where the network is a lab's. */
const ELSEWHERE = [
  'build',
  'container_name',
  'restart',
  'ports',
  'healthcheck',
  'image',
  'command',
];
const TAKEN = ['user', 'read_only', 'environment', 'volumes', 'tmpfs', 'cap_drop', 'security_opt'];

/** Options for `podman run` before the image, and the command behind it; paths begin at `folder`. */
export function runArgs(
  text: string,
  name: string,
  folder: string,
): { readonly options: string[]; readonly command: string[]; readonly health: readonly string[] } {
  const { services } = parse(text) as { readonly services: Readonly<Record<string, Service>> };
  const service = services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  for (const key of Object.keys(service)) {
    if (![...ELSEWHERE, ...TAKEN].includes(key)) throw new Error(`${key}: not known here`);
  }
  const options = [
    ...(service.user === undefined ? [] : ['--user', service.user]),
    ...(service.read_only === true ? ['--read-only'] : []),
    ...Object.entries(service.environment ?? {}).map(([key, value]) => `--env=${key}=${value}`),
    ...(service.volumes ?? []).map((volume) => `--volume=${placed(volume, folder)}`),
    ...[service.tmpfs ?? []].flat().map((place) => `--tmpfs=${place}`),
    ...(service.cap_drop ?? []).map((capability) => `--cap-drop=${capability}`),
    ...(service.security_opt ?? []).map(
      (option) => `--security-opt=${option.replace(':true', '')}`,
    ),
  ];
  const [kind, ...health] = service.healthcheck?.test ?? [];
  if (kind !== 'CMD') throw new Error('a health check by CMD is expected');
  return { options, command: service.command?.split(' ') ?? [], health };
}

function placed(volume: string, folder: string): string {
  return volume.startsWith('./') ? join(folder, volume) : volume;
}
