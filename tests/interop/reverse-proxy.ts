/**
 * The reverse proxies of `docs/guide/reverse-proxy.md`, run with the very text of that page: only the paths
 * of the certificate are put in place of the example's.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Certificate } from './certificate.ts';
import type { Host } from './lab.ts';

const GUIDE = fileURLToPath(new URL('../../docs/guide/reverse-proxy.md', import.meta.url));
const EXAMPLE_DIR = '/etc/letsencrypt/live/vpn.example.org';
const APACHE_MODULES = [
  'mpm_event',
  'authz_core',
  'socache_shmcb',
  'ssl',
  'proxy',
  'proxy_http',
] as const;

export interface ReverseProxy {
  /** The program that must be installed. */
  readonly program: string;
  /** Starts it in the foreground, for a server on port 8080 of the same host. */
  start(host: Host, certificate: Certificate): ChildProcess;
}

/** Each with the language that the guide's code block is marked with. */
export const REVERSE_PROXIES: readonly ReverseProxy[] = [
  {
    program: 'nginx',
    start(host, certificate) {
      const dir = workDir(host, 'nginx');
      const site = withCertificate(guideBlock('nginx'), certificate);
      const config = `pid ${dir}/pid;\nevents {}\nhttp {\naccess_log off;\n${site}}\n`;
      const file = write(dir, 'nginx.conf', config);
      return host.start(
        ['nginx', '-c', file, '-e', `${dir}/error.log`, '-g', 'daemon off;'],
        join(dir, 'log'),
      );
    },
  },
  {
    program: 'caddy',
    start(host, { certFile, keyFile }) {
      const dir = workDir(host, 'caddy');
      // In place of the certificate that it would fetch by itself.
      const site = guideBlock('caddyfile').replace('{', `{\n    tls ${certFile} ${keyFile}`);
      const file = write(dir, 'Caddyfile', `{\n    admin off\n}\n${site}`);
      return host.start(['caddy', 'run', '--config', file], join(dir, 'log'));
    },
  },
  {
    program: 'apache2',
    start(host, certificate) {
      const dir = workDir(host, 'apache2');
      const modules = APACHE_MODULES.map(
        (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
      );
      const site = withCertificate(guideBlock('apache'), certificate);
      const config = [
        ...modules,
        'ServerName vpn.example.org',
        'User www-data',
        'Group www-data',
        'Listen 443',
        `DefaultRuntimeDir ${dir}`,
        `PidFile ${dir}/pid`,
        `ErrorLog ${dir}/error.log`,
        site,
      ];
      const file = write(dir, 'apache2.conf', config.join('\n'));
      return host.start(['apache2', '-f', file, '-D', 'FOREGROUND'], join(dir, 'log'));
    },
  },
];

/** Ends a proxy; its connections are cut. */
export async function stopProxy(proxy: ChildProcess): Promise<void> {
  if (proxy.exitCode !== null || proxy.signalCode !== null) return;
  const exited = once(proxy, 'exit');
  proxy.kill('SIGTERM');
  await exited;
}

function guideBlock(language: string): string {
  const [, block] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(guide()) ?? [];
  if (block === undefined) throw new Error(`${GUIDE} has no block of ${language}`);
  return block;
}

function guide(): string {
  return readFileSync(GUIDE, 'utf8');
}

function withCertificate(block: string, { certFile, keyFile }: Certificate): string {
  return block
    .replace(`${EXAMPLE_DIR}/fullchain.pem`, certFile)
    .replace(`${EXAMPLE_DIR}/privkey.pem`, keyFile);
}

function workDir(host: Host, name: string): string {
  const dir = join(host.dir, name);
  mkdirSync(dir, { recursive: true });
  return dir;
}

function write(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}
