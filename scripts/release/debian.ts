/**
 * The Debian package of the server: malla with Node in /usr/lib/malla, its command, its unit, its configuration.
 * It brings Node 26 alone, as it can depend on the library that that one needs. The daemon of a device will be a
 * package of its own beside it, when there is one.
 */
import {
  chmodSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { NOTICES } from './npm-package.ts';
import { type Platform, writeNotices } from './standalone.ts';
import { runTool } from './tool.ts';

/** Debian's names of the processors it is made for. */
export const ARCHITECTURES: Readonly<Partial<Record<Platform, string>>> = {
  'linux-x64': 'amd64',
  'linux-arm64': 'arm64',
};

const PLACE = 'usr/lib/malla';
const CONFIG = '/etc/malla/config.yaml';
const SCRIPTS = ['postinst', 'prerm', 'postrm'] as const;
/** What the Node it brings is linked to, with the versions whose symbols it names. */
const DEPENDS = 'libatomic1, libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 7), passwd';

export interface Debian {
  /** Of the repository. */
  readonly root: string;
  /** malla with everything it needs: see standalone.ts. */
  readonly standalone: string;
  readonly platform: Platform;
  readonly version: string;
  /** Unix seconds. */
  readonly time: number;
}

/** Name of the file for a platform; undefined: Debian has no such. */
export function debianFile(version: string, platform: Platform): string | undefined {
  const architecture = ARCHITECTURES[platform];
  return architecture && `malla_${debianVersion(version)}_${architecture}.deb`;
}

/** Builds it in a folder that is thrown away. */
export function writeDebian(debian: Debian, folder: string, file: string): void {
  const { root, standalone, platform, version, time } = debian;
  const place = join(folder, PLACE);
  cpSync(standalone, place, { recursive: true });
  for (const path of globSync('node_modules/malla-node-*', { cwd: place })) {
    rmSync(join(place, path), { recursive: true });
  }
  writeNotices(place);
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
    chmodSync(join(folder, path), mode);
  };
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  mkdirSync(join(folder, 'usr/bin'));
  symlinkSync('../lib/malla/bin/malla', join(folder, 'usr/bin/malla'));
  write(
    'usr/lib/systemd/system/malla.service',
    read('deploy/malla.service')
      .replace(/^#[^]*?\n\n/, '')
      .replaceAll('/opt/malla', `/${PLACE}`),
  );
  write(CONFIG, read('config.example.yaml'));
  const notices = readFileSync(join(place, NOTICES), 'utf8');
  write('usr/share/doc/malla/copyright', `${read('LICENSE')}\n${notices}`);

  for (const name of SCRIPTS) write(`DEBIAN/${name}`, read(`deploy/debian/${name}`), 0o755);
  write('DEBIAN/conffiles', `${CONFIG}\n`);
  write(
    'DEBIAN/control',
    `Package: malla
Version: ${debianVersion(version)}
Architecture: ${ARCHITECTURES[platform]}
Maintainer: The authors of malla <malla@localhost.invalid>
Depends: ${DEPENDS}
Section: net
Priority: optional
Installed-Size: ${kilobytes(folder)}
Description: self-hosted coordination server for Tailscale's clients
 Says which devices are in a private network and who may talk to whom, and
 relays what finds no direct way. The clients are Tailscale's own, unchanged.
`,
  );
  // The mode of the machine's umask must not get in.
  runTool('chmod', ['-R', 'u=rwX,go=rX', folder], { cwd: folder });
  // xz's threads make other bytes for another number of processors.
  const pack = ['--root-owner-group', '-Zxz', '-z2', '--threads-max=1'];
  runTool('dpkg-deb', [...pack, '--build', folder, file], {
    cwd: folder,
    env: { SOURCE_DATE_EPOCH: String(time) },
  });
}

/** What comes before a release sorts before it. */
function debianVersion(version: string): string {
  return version.replace('-', '~');
}

/** As Debian counts what a package takes. */
function kilobytes(folder: string): number {
  const sizes = globSync('{etc,usr}/**', { cwd: folder }).map((path) => {
    const entry = lstatSync(join(folder, path));
    return entry.isFile() ? Math.ceil(entry.size / 1024) : 1;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}
