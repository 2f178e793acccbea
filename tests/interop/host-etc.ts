/**
 * The `/etc` of a host in the lab: made up, so that a test sees the same on every machine and whatever others
 * write to the machine's own `/etc` meanwhile. Of that it has only what programs need to be found and to
 * start: the links of alternatives and the linker's cache.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Enough for the system's resolver, a shell, OpenSSH, Tailscale SSH (`su`, `login`), and web servers. */
const FILES: Readonly<Record<string, string>> = {
  'resolv.conf': '# the lab has no resolver of its own\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n',
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  group: 'root:x:0:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n',
  shadow: 'root:*:20000:0:99999:7:::\nwww-data:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n',
  shells: '/bin/sh\n',
  'login.defs': '',
  environment: '',
  'os-release': 'NAME="malla lab"\nID=debian\nVERSION_ID="12"\n',
  // Who may become whom is for the tailnet to say: a program that asks here is root's already.
  'pam.d/other': ['auth', 'account', 'password', 'session']
    .map((kind) => `${kind} required pam_permit.so\n`)
    .join(''),
};

/** Makes `dir` an `/etc`. `machine` is the one that programs of this machine were installed with. */
export function makeEtc(dir: string, machine: string = '/etc'): void {
  for (const folder of ['pam.d', 'alternatives']) mkdirSync(join(dir, folder), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(dir, name), text);
  const cache = unlessGone(() => readFileSync(join(machine, 'ld.so.cache')));
  if (cache !== undefined) writeFileSync(join(dir, 'ld.so.cache'), cache);
  const alternatives = unlessGone(() => readdirSync(join(machine, 'alternatives'))) ?? [];
  for (const name of alternatives) {
    const target = unlessGone(() => readlinkSync(join(machine, 'alternatives', name)));
    if (target !== undefined) symlinkSync(target, join(dir, 'alternatives', name));
  }
}

/** What is read; undefined for what is not there, perhaps since a moment ago. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: not a link, such as the README of some distributions.
    if (code === 'ENOENT' || code === 'EINVAL') return undefined;
    throw error;
  }
}
