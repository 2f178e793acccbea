/**
 * README's two commands on the machine of a stranger: Debian with Node 20 and npm and nothing else, no
 * compiler, no libatomic, no capability; as root and as a user.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { OfficialClient } from '../interop/official-client.ts';
import { until } from '../interop/until.ts';
import { exportCheckout } from './checkout.ts';
import { Engine, ENGINE_TOOLS, npmSettings } from './engine.ts';
import { DEBIAN, makeStandIns, npmFolder, systemNode } from './stand-ins.ts';

const IMAGE = 'localhost/malla-bare';
const HOME = '/home/somebody';
const CHECKOUT = `${HOME}/malla`;
const ADDRESS = '198.51.100.1';
const START_MS = 60_000;
/** Longest that `npm test` may take there, ms. */
const TEST_MS = 900_000;
/** What npm's scripts begin there must not be the Node that does not start. */
const AS_ROOT = 'npm run typecheck && npm test -- --only unit';
const AS_USER =
  'npm run typecheck -- --version && npm run lint -- scripts && npm run format:check && npm run test:unit';

const skip = skipWithout(...ENGINE_TOOLS, ...LAB_TOOLS, 'go', 'git', 'npm');

describe('on a bare Debian with Node 20 and npm', { skip }, () => {
  const engine = new Engine();
  const dir = mkdtempSync(join(tmpdir(), 'malla-bare-'));
  let lab: Lab;
  let server: string;
  before(async () => {
    await makeStandIns(engine);
    await buildBare(engine, join(dir, 'image'));
    lab = new Lab();
    server = lab.publicHost('server', ADDRESS).namespace;
  });
  after(async () => {
    await engine.close();
    lab?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const [who, uid] of [
    ['root', 0],
    ['a user', 1000],
  ] as const) {
    test(`npm install && npm start serves an official client, as ${who}`, async () => {
      const folder = join(dir, `checkout-${uid}`);
      exportCheckout(folder, uid);
      const args = confined(folder, uid);
      const lockfile = (): string => readFileSync(join(folder, 'package-lock.json'), 'utf8');
      const locked = lockfile();
      const network = '--network=host';
      const installed = await engine.runOnce([...args, network, IMAGE, 'npm', 'install']);
      assert.equal(installed.code, 0, installed.stderr);
      assert.equal(lockfile(), locked);

      const name = `malla-bare-${uid}`;
      const inLab = `--network=ns:/run/netns/${server}`;
      const start = ['npm', 'start', '--', '--url', `http://${ADDRESS}:8080`];
      const malla = await engine.start(name, [...args, inLab, IMAGE, ...start]);
      const told = await until('the command for the first device', START_MS, async () => {
        const printed = await malla.logs();
        assert.equal(await malla.inspect('{{.State.Status}}'), 'running', printed);
        return /tailscale up --login-server (\S+) --authkey (\S+)/.exec(printed) ?? undefined;
      });
      assert.match(await malla.logs(), /on Node 24.* command="apt-get install libatomic1"/);
      const client = await OfficialClient.start(
        lab.publicHost(`c${uid}`, `198.51.100.${10 + (uid % 7)}`),
      );
      await client.join(told[1] ?? '', told[2] ?? '');
      await client.stopDaemon();

      // As Ctrl-C does: to all of them at once.
      await malla.exec('sh', '-c', 'kill -INT -1');
      await malla.ended(START_MS);
      assert.match(await malla.logs(), /stopping signal=SIGINT/);
    });
  }

  // Side by side, as each leaves one of two processors to the other. The system tests have no part of it: floods in
  // a container beside others would take longer than all the rest.
  describe('the tests pass', { concurrency: 2 }, () => {
    for (const [what, uid, script] of [
      ['types and the unit suite, as root', 0, AS_ROOT],
      ['lint, format and the unit suite, as a user', 1000, AS_USER],
    ] as const) {
      test(what, { timeout: TEST_MS }, async (t) => {
        const folder = join(dir, `checkout-${uid}`);
        // Node 22, which npm would fetch, is left out with its reason.
        const offline = ['--network=none', '--env=npm_config_offline=true'];
        const run = [...confined(folder, uid), ...offline, IMAGE, 'sh', '-ec', script];
        const { code, stdout, stderr } = await engine.runOnce(run, TEST_MS);
        const last = stdout.trimEnd().split('\n').at(-1) ?? '';
        t.diagnostic(`there: ${last}`);
        for (const [told] of stdout.matchAll(/^.* tests? (?:took|skipped:) .*$/gm))
          t.diagnostic(told);
        assert.equal(code, 0, failures(stdout) + stderr);
        assert.match(last, /^\d+ passed, 0 failed, \d+ skipped$/);
        assert.doesNotMatch(stdout, /skipped: no reason given/);
      });
    }
  });
});

/** How `npm` is run there: what it may, and where it finds its registry. */
function confined(folder: string, uid: number): string[] {
  const settings = npmSettings(dirname(folder));
  return [
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    `--user=${uid}:${uid}`,
    `--volume=${folder}:${CHECKOUT}`,
    `--volume=${settings.file}:/npmrc:ro`,
    ...settings.mounts.map((mount) => `--volume=${mount}`),
    '--env=npm_config_userconfig=/npmrc',
    `--env=HOME=${HOME}`,
    `--workdir=${CHECKOUT}`,
  ];
}

async function buildBare(engine: Engine, folder: string): Promise<void> {
  mkdirSync(folder);
  cpSync(systemNode(), join(folder, 'node'));
  cpSync(npmFolder(), join(folder, 'npm'), { recursive: true, verbatimSymlinks: true });
  writeFileSync(
    join(folder, 'Containerfile'),
    `FROM ${DEBIAN}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && install -d -m 1777 ${HOME} \\
 && node --version && npm --version && ! ls /usr/lib/*/libatomic.so.1 2>/dev/null
`,
  );
  await engine.build(IMAGE, [folder]);
}

/** What the test runner says of its failures, without what passed. */
function failures(output: string): string {
  const at = output.indexOf('failing tests:');
  return at === -1 ? output.slice(-5_000) : output.slice(at, at + 20_000);
}
