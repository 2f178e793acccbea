/**
 * docs/guide/install.md, followed on a Debian with systemd: a service from a checkout, its own TLS with certbot's
 * files, users and devices, backup, restore, upgrade and removal; and as a container without compose.
 */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deviceAt, type Place } from '../guides/reader/device.ts';
import { Guide } from '../guides/reader/guide.ts';
import { Newcomer } from '../guides/reader/newcomer.ts';
import { type Certificate, makeCertificate } from '../interop/certificate.ts';
import { Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { until } from '../interop/until.ts';
import { bundle } from './checkout.ts';
import { Engine, ENGINE_TOOLS, ROOT } from './engine.ts';
import { buildImage } from './image.ts';
import { buildMachine, ORIGIN, SystemdMachine } from './systemd-machine.ts';

const NAME = 'vpn.example.org';
const ADDRESS = '198.51.100.10';
const CERTBOT = `/etc/letsencrypt/live/${NAME}`;
const START_MS = 60_000;
const BACKUP = 'Backup, upgrade, restore';
const SERVICE = 'From a checkout, as a systemd service';

const skip = skipWithout(...ENGINE_TOOLS, ...LAB_TOOLS, 'go', 'git', 'openssl', 'curl');

describe('the guide to installing', { skip }, () => {
  const guide = new Guide('docs/guide/install.md');
  const engine = new Engine();
  const dir = mkdtempSync(join(tmpdir(), 'malla-install-'));
  let lab: Lab;
  let machine: SystemdMachine;
  let newcomer: Newcomer;
  let laptop: Place;
  let certificate: Certificate;

  before(async () => {
    const [fetch = '', ...prepare] = guide.take(SERVICE, 'sh', 0).text.trim().split('\n');
    await buildMachine(engine, dir, (repository) => fetch.replace('<this repository>', repository));
    lab = new Lab();
    const host = lab.publicHost('ctl', ADDRESS);
    machine = await SystemdMachine.boot(engine, 'malla-installed', host.namespace);
    // What is installed is complete, and no registry is reached from the lab.
    const offline = { npm_config_offline: 'true', npm_config_audit: 'false' };
    newcomer = new Newcomer(machine, offline, '/opt/malla');
    await newcomer.says(prepare.join('\n'));
    certificate = makeCertificate(host.dir, `DNS:${NAME}`);
    const device = lab.publicHost('laptop', '198.51.100.31');
    device.addName(NAME, ADDRESS);
    laptop = await deviceAt(device, { trust: certificate.certFile });
  });
  after(async () => {
    await laptop?.client.stopDaemon();
    await machine?.remove();
    lab?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Sets what a block of the guide shows in the configuration that is there. */
  async function edit(settings: string): Promise<void> {
    const { stdout } = await machine.run(['cat', '/etc/malla/config.yaml']);
    const keys = settings
      .trim()
      .split('\n')
      .map((line) => line.replace(/:.*/, ''));
    const rest = stdout
      .split('\n')
      .filter((line) => !keys.some((key) => line.startsWith(`${key}:`)));
    await machine.write('/etc/malla/config.yaml', [settings, ...rest].join('\n'));
  }

  function process(): Promise<string> {
    return newcomer.says('systemctl show -p MainPID --value malla');
  }

  function hasLaptop(): Promise<unknown> {
    return until('the laptop', START_MS, async () =>
      (await machine.run(['malla', 'nodes', 'list'])).stdout.includes('laptop'),
    );
  }

  function answers(): Promise<unknown> {
    return until('malla over TLS', START_MS, async () => {
      const trust = ['--cacert', certificate.certFile];
      const { stdout } = await laptop.host.run(['curl', '-s', ...trust, `https://${NAME}/health`]);
      return stdout === '{"status":"pass"}';
    });
  }

  test('starts a service', async () => {
    await edit(guide.take(SERVICE, 'yaml').text);
    await newcomer.types(guide.take(SERVICE, 'sh', 1));
    await until('a healthy server', START_MS, async () => {
      return (await machine.run(['malla', 'health'])).code === 0;
    });
    await newcomer.sees(guide.take(SERVICE, 'console'));
    assert.equal(await newcomer.says(`ps -o user= -p ${await process()}`), 'malla');
  });

  test('gives it a certificate, by a copy of certbot’s and by systemd', async () => {
    for (const [file, from] of [
      ['fullchain.pem', certificate.certFile],
      ['privkey.pem', certificate.keyFile],
    ] as const) {
      await machine.write(`${CERTBOT}/${file}`, readFileSync(from, 'utf8'));
    }
    await newcomer.says(
      'chmod 0700 /etc/letsencrypt/live && mkdir -p /etc/letsencrypt/renewal-hooks/deploy',
    );
    await edit(guide.take('TLS', 'yaml').text);
    await newcomer.types(guide.take('TLS', 'sh'));
    await newcomer.says('malla configtest && systemctl restart malla');
    await answers();

    await machine.write(
      '/etc/systemd/system/malla.service.d/override.conf',
      guide.take('TLS', 'ini').text,
    );
    await edit(
      [guide.quoted('tls_cert_path: /run'), guide.quoted('tls_key_path: /run')].join('\n'),
    );
    await newcomer.says(
      'rm -r /etc/malla/tls && systemctl daemon-reload && systemctl restart malla',
    );
    await answers();
  });

  test('makes a user and a key, with which a device joins', async () => {
    await newcomer.sees(guide.take('Users and devices', 'console'));
    const key = await newcomer.says('malla preauthkeys create --user vpn1');
    await laptop.newcomer.types(guide.take('Users and devices', 'sh'), { 'hskey-auth-…': key });
    assert.match(await newcomer.says('malla nodes list'), /laptop/);
  });

  test('backs up, and restores what was lost', async () => {
    await newcomer.types(guide.take(BACKUP, 'sh', 0));
    await newcomer.says('malla nodes delete -i 1 --force');
    const today = await newcomer.says('date +%F');
    await newcomer.types(guide.take(BACKUP, 'sh', 1), { '2026-11-21': today });
    await hasLaptop();
  });

  test('upgrades', async () => {
    const repository = join(dir, 'repository');
    appendFileSync(join(repository, 'README.md'), '\nNew.\n');
    const next = join(machine.dir, 'next.bundle');
    bundle(repository, 'next', next);
    await newcomer.says(`cp ${next} ${ORIGIN}`);
    const pid = await process();
    await newcomer.types(guide.take(BACKUP, 'sh', 2));
    assert.equal(await newcomer.says('tail -n 1 README.md'), 'New.');
    assert.notEqual(await process(), pid);
    await hasLaptop();
  });

  test('is removed, its data last', async () => {
    await newcomer.types(guide.take('Remove', 'sh', 0));
    const elsewhere = new Newcomer(machine, {}, '/');
    assert.match(await elsewhere.says('ls /var/lib/malla'), /^malla\.db$/m);
    assert.equal((await machine.run(['systemctl', 'cat', 'malla'])).code, 1);
    assert.equal((await machine.run(['pgrep', '-u', 'malla'])).code, 1);
    await elsewhere.types(guide.take('Remove', 'sh', 1));
    assert.equal(await elsewhere.says('find / -xdev -nouser'), '');
  });

  test('runs as a container without compose', async () => {
    const inside = new Engine(lab.publicHost('docker', '198.51.100.11').namespace);
    const home = mkdtempSync(join(dir, 'docker-'));
    try {
      copyFileSync(join(ROOT, 'config.example.yaml'), join(home, 'config.example.yaml'));
      const docker = new Newcomer({
        dir: home,
        run: (argv, options) => inside.program(argv, options),
      });
      docker.has('docker', 'exec podman "$@"');
      const { text } = guide.take('As a container', 'sh', 1);
      const [build, prepare = '', run = '', ...beside] = text.trim().split('\n');
      assert.equal(build, 'docker build -f deploy/Dockerfile -t malla .');
      await buildImage(engine);
      await docker.says(prepare);
      const own = 's|^server_url: .*|server_url: http://198.51.100.11:8080|';
      await docker.says(`sed -i '${own}' config/config.yaml`);
      await inside.remove('malla');
      await docker.says(run);
      await until('a healthy server', START_MS, async () => {
        return (await inside.run(['exec', 'malla', 'malla', 'health'])).code === 0;
      });
      for (const command of beside) await docker.says(command);
      const { host } = laptop;
      assert.equal(
        await host.output(['curl', '-s', 'http://198.51.100.11:8080/health']),
        '{"status":"pass"}',
      );
    } finally {
      await inside.remove('malla');
    }
  });

  test('shows nothing else, but what is published, and compose.yaml: other tests of this folder run them', () => {
    for (const way of ['As a Debian package', 'By npm', 'From an archive']) guide.leave(way);
    guide.take('As a container', 'sh', 0);
    guide.assertAllTaken();
  });
});
