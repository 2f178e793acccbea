/**
 * What is wrong, or soon will be, with a certificate that is otherwise whole: its dates, and the names that
 * it is for. Clients refuse it then, and say so in words that nobody connects with a file on a server.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Before its end a certificate is renewed: certbot does so 30 days before, others a third of its life. */
export const WARN_DAYS = 14;
const DAY_MS = 86_400_000;

export interface Doubt {
  /** `error`: clients refuse it now. */
  readonly level: 'error' | 'warn';
  readonly text: string;
}

/** Of the first certificate of a PEM chain. Throws for text that is none. `now` is Unix ms. */
export function doubtsAbout(pem: string, hostname: string, now: number): readonly Doubt[] {
  const certificate = new X509Certificate(pem);
  const dates = aboutDates(certificate, now);
  const names = aboutNames(certificate, hostname);
  return [dates, names].filter((doubt) => doubt !== undefined);
}

function aboutDates(
  { validFromDate, validToDate }: X509Certificate,
  now: number,
): Doubt | undefined {
  if (now < validFromDate.getTime()) {
    return { level: 'error', text: `it is not valid before ${validFromDate.toISOString()}` };
  }
  const left = validToDate.getTime() - now;
  const end = validToDate.toISOString();
  if (left <= 0) return { level: 'error', text: `it has expired on ${end}` };
  if (left >= WARN_DAYS * DAY_MS) return undefined;
  const days = Math.floor(left / DAY_MS);
  const when = days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
  return { level: 'warn', text: `it expires ${when}, on ${end}, and has not been renewed` };
}

function aboutNames(certificate: X509Certificate, hostname: string): Doubt | undefined {
  const isFor =
    isIP(hostname) === 0 ? certificate.checkHost(hostname) : certificate.checkIP(hostname);
  if (isFor !== undefined) return undefined;
  const names = certificate.subjectAltName ?? certificate.subject;
  const shown = names.length <= 200 ? names : `${names.slice(0, 197)}...`;
  return {
    level: 'warn',
    text: `it is not for ${hostname}, but for ${shown.replaceAll('\n', ', ')}`,
  };
}
