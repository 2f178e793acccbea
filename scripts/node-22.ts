/**
 * The oldest Node that `packages/` run on (decision 28), for their tests. It is installed when they are to
 * run: what malla itself is installed with has two versions of Node already.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = join(ROOT, 'tests', 'node-22');

/** What the tests themselves use of newer versions: the modules that they test do not. */
const MISSING = join(ROOT, 'older-node', 'missing.ts');

/** Tests of Node's own HTTP/2 client, which is that of Node 26, in the syntax of Node 26. */
export const NOT_ON_NODE_22: readonly string[] = ['packages/http2/src/node-client.test.ts'];

/** The executable and what comes before its other arguments; undefined where there is none for this machine. */
export function node22(): { readonly node: string; readonly flags: readonly string[] } | undefined {
  const node = join(FOLDER, 'node_modules', '.bin', 'node');
  if (!existsSync(node)) {
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    spawnSync('npm', args, { cwd: FOLDER, stdio: 'inherit', shell: process.platform === 'win32' });
  }
  return existsSync(node) ? { node, flags: ['--import', MISSING] } : undefined;
}
