/** Certificates that an operator brings, made by `openssl` for the lab. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a self-signed certificate, for `DNS:` and `IP:` names as openssl writes them, in `dir`. */
export function makeCertificate(dir: string, ...names: readonly string[]): Certificate {
  const certificate = { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') };
  const kind = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(
    ' ',
  );
  const whose = ['-subj', '/CN=malla lab', '-addext', `subjectAltName=${names.join(',')}`];
  const where = ['-out', certificate.certFile, '-keyout', certificate.keyFile];
  const { status, stderr } = spawnSync('openssl', [...kind, ...whose, ...where], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`openssl req: ${stderr}`);
  return certificate;
}
