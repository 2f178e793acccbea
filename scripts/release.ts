/** Makes what is published of this commit: see `--help`. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeArchive } from './release/archive.ts';
import { debianFile, writeDebian } from './release/debian.ts';
import { type Build, NOTICES, writePackage } from './release/npm-package.ts';
import { billOfMaterials } from './release/sbom.ts';
import { type Platform, PLATFORMS, writeStandalone } from './release/standalone.ts';
import { hasTool, runTool } from './release/tool.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUMS = 'SHA256SUMS';
/** The forms of a release, and the programs that make each, besides npm. */
const FORMS = { npm: [], tar: ['tar', 'gzip'], deb: ['dpkg-deb'] } as const;
type Form = keyof typeof FORMS;

const HELP = `Makes what is published of this commit, from a checkout after 'npm ci'.

  npm run release -- [--out DIR] [--only FORMS] [--platform PLATFORMS] [--allow-changes]

  --out DIR         where to put it (default: ./.cache/release); what is in it is replaced
  --only FORMS      of ${Object.keys(FORMS).join(',')} (default: all that this machine has the programs for)
  --platform NAMES  of ${PLATFORMS.join(',')}
                    (default: all), for tar and deb; each is a download of Node
  --allow-changes   although there are changes that are not committed: the commit is then marked -dirty

npm: malla-VERSION.tgz, which npm and npx install. tar: malla-VERSION-PLATFORM.tar.gz, which needs nothing. deb: the
Debian package of the server, with its unit (there is none of a daemon for devices, as there is no such daemon yet). With
them come malla-VERSION.cdx.json, which names every part (CycloneDX), ${NOTICES}, and ${SUMS}.

The same commit gives the same bytes on the same versions of the programs. Times in it are SOURCE_DATE_EPOCH, or that of
the commit.
`;

interface Wanted {
  readonly out: string;
  readonly forms: readonly Form[];
  readonly platforms: readonly Platform[];
  readonly allowsChanges: boolean;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`Error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function main(args: readonly string[]): void {
  const wanted = read(args);
  if (wanted === undefined) {
    console.log(HELP);
    return;
  }
  const build = buildOf(wanted);
  const work = mkdtempSync(join(tmpdir(), 'malla-release-'));
  try {
    make(wanted, build, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Undefined: help is asked for. */
function read(args: readonly string[]): Wanted | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string', default: join(ROOT, '.cache', 'release') },
      only: { type: 'string' },
      platform: { type: 'string', default: PLATFORMS.join(',') },
      'allow-changes': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    out: resolve(values.out),
    forms: formsOf(values.only),
    platforms: each(values.platform, PLATFORMS, '--platform'),
    allowsChanges: values['allow-changes'],
  };
}

function formsOf(only: string | undefined): readonly Form[] {
  const all = Object.keys(FORMS) as Form[];
  const asked = only === undefined ? all : each(only, all, '--only');
  return asked.filter((form) => {
    const lacking = FORMS[form].filter((tool) => !hasTool(tool));
    if (lacking.length === 0) return true;
    const why = `${form} needs ${lacking.join(' and ')}`;
    if (only !== undefined) throw new Error(why);
    console.log(`left out: ${why}`);
    return false;
  });
}

function each<T extends string>(text: string, known: readonly T[], option: string): readonly T[] {
  return text.split(',').map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`${option} ${name}: expected ${known.join(', ')}`);
    return found;
  });
}

function buildOf({ allowsChanges }: Wanted): Build {
  const changes = git('status', '--porcelain');
  if (changes !== '' && !allowsChanges) {
    throw new Error(`there are changes that are not committed (or --allow-changes):\n${changes}`);
  }
  const epoch = process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct');
  if (!/^\d{1,10}$/.test(epoch)) throw new Error(`SOURCE_DATE_EPOCH=${epoch}: expected seconds`);
  const commit = git('rev-parse', 'HEAD');
  return { commit: changes === '' ? commit : `${commit}-dirty`, time: Number(epoch) };
}

function git(...args: readonly string[]): string {
  return runTool('git', args, { cwd: ROOT }).trim();
}

function make({ out, forms, platforms }: Wanted, build: Build, work: string): void {
  const folder = join(work, 'malla');
  mkdirSync(folder);
  const version = writePackage(ROOT, folder, build);
  // Whatever the umask is here.
  runTool('chmod', ['-R', 'u=rwX,go=rX', folder], { cwd: work });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const made = (name: string): void => console.log(join(out, name));

  if (forms.includes('npm')) {
    runTool('npm', ['pack', '--ignore-scripts', `--pack-destination=${out}`], { cwd: folder });
    made(`malla-${version}.tgz`);
  }
  const sbom = `malla-${version}.cdx.json`;
  writeFileSync(join(out, sbom), billOfMaterials(folder, build));
  made(sbom);
  copyFileSync(join(folder, NOTICES), join(out, NOTICES));
  made(NOTICES);

  for (const platform of platforms) {
    const deb = forms.includes('deb') ? debianFile(version, platform) : undefined;
    if (!forms.includes('tar') && deb === undefined) continue;
    const name = `malla-${version}-${platform}`;
    const standalone = join(work, name);
    writeStandalone(folder, standalone, platform);
    if (forms.includes('tar')) {
      writeArchive(standalone, join(out, `${name}.tar.gz`), build.time);
      made(`${name}.tar.gz`);
    }
    if (deb !== undefined) {
      const debian = { root: ROOT, standalone, platform, version, time: build.time };
      writeDebian(debian, join(work, 'debian'), join(out, deb));
      rmSync(join(work, 'debian'), { recursive: true });
      made(deb);
    }
    rmSync(standalone, { recursive: true });
  }
  writeFileSync(join(out, SUMS), sumsOf(out));
  made(SUMS);
}

/** As `sha256sum --check` reads them. */
function sumsOf(folder: string): string {
  return readdirSync(folder)
    .toSorted()
    .map((name) => {
      const hash = createHash('sha256').update(readFileSync(join(folder, name)));
      return `${hash.digest('hex')}  ${name}\n`;
    })
    .join('');
}
