/** What `scripts/release.ts` makes of this checkout, and machines that have never seen malla to put it on. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engine, ROOT } from './engine.ts';
import { DEBIAN, npmFolder, systemNode } from './stand-ins.ts';

/** Debian with Node 20 and npm, and nothing else: no compiler, no libatomic. */
export const STRANGER = 'localhost/malla-stranger';
/** Debian with systemd as its first process, and what malla's package asks for. */
export const SERVER = 'localhost/malla-server';
/** Those. */
export const SERVER_PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'procps', 'libatomic1'] as const;

/** Makes these forms of a release for this machine; returns where each file of it is, by the end of its name. */
export function release(folder: string, forms: string): (ending: string) => string {
  const script = ['--disable-warning=ExperimentalWarning', 'scripts/release.ts'];
  const what = ['--only', forms, '--platform', `linux-${process.arch}`, '--out', folder];
  execFileSync(process.execPath, [...script, ...what, '--allow-changes'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return (ending) => {
    const [name, other] = readdirSync(folder).filter((file) => file.endsWith(ending));
    if (name === undefined || other !== undefined) throw new Error(`no one *${ending}`);
    return join(folder, name);
  };
}

/** Builds the image of a stranger's machine. */
export async function buildStranger(engine: Engine): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'malla-stranger-'));
  try {
    cpSync(systemNode(), join(dir, 'node'));
    cpSync(npmFolder(), join(dir, 'npm'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(
      join(dir, 'Containerfile'),
      `FROM ${DEBIAN}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\
 && node --version && npm --version && ! ls /usr/lib/*/libatomic.so.1 2>/dev/null
`,
    );
    await engine.build(STRANGER, [dir]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
