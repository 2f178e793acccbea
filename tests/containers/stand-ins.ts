/**
 * The images that deploy/Dockerfile begins from, made here under the same names, as no image registry need be
 * reached: Debian as debootstrap's minbase without manuals, which is what `slim` is, and the same with Node 26
 * and npm. They are made once, in `.cache/containers`.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Engine, ROOT } from './engine.ts';

export const DEBIAN = 'docker.io/library/debian:bookworm-slim';
export const NODE = 'docker.io/library/node:26-bookworm-slim';

/** Makes what is not there yet. */
export async function makeStandIns(engine: Engine): Promise<void> {
  const node = realpathSync(join(ROOT, 'node_modules', '.bin', 'node'));
  const { version } = JSON.parse(
    readFileSync(join(dirname(node), '..', 'package.json'), 'utf8'),
  ) as { readonly version: string };
  const label = '{{index .Config.Labels "malla.node"}}';
  const there = await engine.run(['image', 'inspect', '--format', label, NODE]);
  if (there.code === 0 && there.stdout.trim() === version) return;
  const dir = mkdtempSync(join(tmpdir(), 'malla-stand-in-'));
  try {
    bootstrap(dir);
    await engine.output(['import', '--quiet', join(dir, 'base.tar'), DEBIAN]);
    cpSync(node, join(dir, 'node'));
    cpSync(npmFolder(), join(dir, 'npm'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(dir, '.dockerignore'), 'base.tar\n');
    writeFileSync(join(dir, 'Containerfile'), containerfile(version));
    await engine.build(NODE, [dir]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** npm of this machine, as a folder. */
export function npmFolder(): string {
  return dirname(dirname(realpathSync(onPath('npm'))));
}

/** Node of this machine, which is not the one of a checkout: `npm test` has that first in its path. */
export function systemNode(): string {
  return realpathSync(onPath('node'));
}

function onPath(program: string): string {
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => !folder.includes('node_modules'))
    .join(':');
  return execFileSync('sh', ['-c', `command -v ${program}`], {
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  }).trim();
}

/** Leaves `base.tar` and the package of libatomic, which the image of Node has and Debian's has not. */
function bootstrap(dir: string): void {
  const packages = join(dir, 'packages');
  mkdirSync(packages);
  const dpkg = [
    ...['man', 'locale', 'doc', 'info'].map((folder) => `path-exclude=/usr/share/${folder}/*`),
    'path-include=/usr/share/doc/*/copyright',
    'force-unsafe-io',
  ];
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=minbase',
      '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
      ...dpkg.map((option) => `--dpkgopt=${option}`),
      '--customize-hook=chroot "$1" sh -c "cd /tmp && apt-get -qq download libatomic1"',
      `--customize-hook=mv "$1"/tmp/*.deb '${packages}/'`,
      'bookworm',
      join(dir, 'base.tar'),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
}

function containerfile(version: string): string {
  return `FROM ${DEBIAN}
COPY packages /tmp/packages
RUN dpkg --install /tmp/packages/*.deb && rm -r /tmp/packages
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
LABEL malla.node=${version}
`;
}
