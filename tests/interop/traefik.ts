/** Traefik, built from the Go module in the folder of its name. */
import { join } from 'node:path';
import { buildGo } from './go-programs.ts';

/** Its program; builds it if need be, which takes minutes on a fresh machine. */
export function traefikBinary(): string {
  const packages = ['github.com/traefik/traefik/v3/cmd/traefik'];
  return join(buildGo({ name: 'traefik', module: 'traefik', packages }), 'traefik');
}
