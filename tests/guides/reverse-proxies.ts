/**
 * The reverse proxies of docs/guide/reverse-proxy.md, run with the very text of that page. What is added is what a
 * distribution's own configuration has around it, and the certificate is where the page expects it.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../interop/lab.ts';
import { startNginx, workDir, write } from '../interop/reverse-proxy.ts';
import type { Guide } from './reader/guide.ts';
import { SERVER_NAME } from './reader/village.ts';

const CERTBOT = `letsencrypt/live/${SERVER_NAME}`;
const APACHE_MODULES = [
  'mpm_event',
  'authz_core',
  'socache_shmcb',
  'ssl',
  'proxy',
  'proxy_http',
] as const;

export interface ReverseProxy {
  /** The heading of its example. */
  readonly heading: string;
  /** The program that must be installed. */
  readonly program: string;
  /** Starts it in the foreground, for a server on port 8080 of the same host. */
  readonly start: (host: Host, guide: Guide) => ChildProcess;
}

/** All that the page has an example of. */
export const REVERSE_PROXIES: readonly ReverseProxy[] = [
  {
    heading: 'nginx',
    program: 'nginx',
    start: (host, guide) => startNginx(host, guide.take('nginx', 'nginx').text),
  },
  {
    heading: 'Caddy',
    program: 'caddy',
    start(host, guide) {
      const dir = workDir(host, 'caddy');
      const site = guide.take('Caddy', 'caddyfile').text;
      // In place of the certificate that it would fetch by itself.
      const ours = `    tls /etc/${CERTBOT}/fullchain.pem /etc/${CERTBOT}/privkey.pem\n`;
      const file = write(
        dir,
        'Caddyfile',
        `{\n    admin off\n}\n${site.replace('{\n', `{\n${ours}`)}`,
      );
      return host.start(['caddy', 'run', '--config', file], join(dir, 'log'));
    },
  },
  {
    heading: 'Apache',
    program: 'apache2',
    start(host, guide) {
      const dir = workDir(host, 'apache2');
      const modules = APACHE_MODULES.map(
        (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
      );
      const config = [
        ...modules,
        `ServerName ${SERVER_NAME}`,
        'User www-data',
        'Group www-data',
        'Listen 443',
        `DefaultRuntimeDir ${dir}`,
        `PidFile ${dir}/pid`,
        `ErrorLog ${dir}/error.log`,
        guide.take('Apache', 'apache').text,
      ];
      const file = write(dir, 'apache2.conf', config.join('\n'));
      return host.start(['apache2', '-f', file, '-D', 'FOREGROUND'], join(dir, 'log'));
    },
  },
  {
    heading: 'HAProxy',
    program: 'haproxy',
    start(host, guide) {
      const file = join(host.dir, 'etc', 'haproxy', 'haproxy.cfg');
      writeFileSync(file, guide.take('HAProxy', 'haproxy').text);
      return host.start(['haproxy', '-f', file, '-db'], join(workDir(host, 'haproxy'), 'log'));
    },
  },
];
