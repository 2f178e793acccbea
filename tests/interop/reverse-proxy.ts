/**
 * Reverse proxies in a lab host: nginx in the foreground, and the certificate that proxies show, where their guides
 * expect it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from './certificate.ts';
import type { Host } from './lab.ts';

/** Starts nginx in the foreground with what would be a file of `sites-enabled`. */
export function startNginx(host: Host, site: string): ChildProcess {
  const dir = workDir(host, 'nginx');
  const config = `pid ${dir}/pid;\nevents {}\nhttp {\naccess_log off;\n${site}}\n`;
  const file = write(dir, 'nginx.conf', config);
  return host.start(
    ['nginx', '-c', file, '-e', `${dir}/error.log`, '-g', 'daemon off;'],
    join(dir, 'log'),
  );
}

/** Puts the certificate of a name where certbot would, and where HAProxy has both parts in one file. */
export function installCertificate(
  host: Host,
  name: string,
  { certFile, keyFile }: Certificate,
): void {
  const certbot = join(host.dir, 'etc', 'letsencrypt', 'live', name);
  mkdirSync(certbot, { recursive: true });
  copyFileSync(certFile, join(certbot, 'fullchain.pem'));
  copyFileSync(keyFile, join(certbot, 'privkey.pem'));
  const haproxy = join(host.dir, 'etc', 'haproxy');
  mkdirSync(haproxy, { recursive: true });
  const both = [certFile, keyFile].map((file) => readFileSync(file, 'utf8')).join('');
  writeFileSync(join(haproxy, `${name}.pem`), both);
}

/** Ends a proxy; its connections are cut. */
export async function stopProxy(proxy: ChildProcess): Promise<void> {
  if (proxy.exitCode !== null || proxy.signalCode !== null) return;
  const exited = once(proxy, 'exit');
  proxy.kill('SIGTERM');
  await exited;
}

/** A folder of a program in a host. */
export function workDir(host: Host, name: string): string {
  const dir = join(host.dir, name);
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** Writes a file there; its path. */
export function write(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}
