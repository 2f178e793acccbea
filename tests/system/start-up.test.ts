/**
 * `malla serve` where people start it: with the files that they bring, as root and then as a user, in
 * folders that are somebody else's. In a mount namespace, so that the paths are those of the files.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  CONTAINERS,
  EXAMPLE_FILES,
  fileOf,
  type Keys,
  NIXOS,
} from '@malla/control/testing/moved-in';
import { skipWithout } from '../interop/needs.ts';
import { Program } from './program.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

const root = mkdtempSync(join(tmpdir(), 'malla-start-'));
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true, force: true }));

/** `nobody`. */
const USER = 65_534;

describe(
  'with a configuration that was made for headscale',
  { skip: skipWithout('root', 'unshare', 'mount', 'ip') },
  () => {
    /** The folders of the file are empty, and there is no network but loopback. */
    const script =
      'ip link set lo up && mount -t tmpfs none /var/lib && mount -t tmpfs none /run && mount -t tmpfs none /var/cache';

    async function starts(
      file: Keys | undefined,
      env: Readonly<Record<string, string>> = {},
    ): Promise<string> {
      const path = join(mkdtempSync(join(root, 'file-')), 'config.yaml');
      const named = file === undefined ? {} : { HEADSCALE_CONFIG: path };
      if (file !== undefined) writeFileSync(path, fileOf(file));
      const program = inNamespace('-mn', script, [`${CHECKOUT}bin/malla`, 'serve'], {
        ...env,
        ...named,
      });
      const log = await program.stderrWith('server started');
      assert.equal(await program.end('SIGTERM'), 0);
      return log;
    }

    for (const [release, keys] of Object.entries(EXAMPLE_FILES)) {
      test(`the example file of ${release} starts the server`, async () => {
        const log = await starts({
          ...keys,
          server_url: 'http://192.168.1.10:8080',
          listen_addr: '0.0.0.0:8080',
        });
        assert.match(log, /DERP map not read/);
      });
    }

    test('the example file with its relay switched on gives clients no example address', async () => {
      const own = { server_url: 'https://vpn.acme.dev', listen_addr: '0.0.0.0:8080' };
      const log = await starts({ ...EXAMPLE_FILES['0.28'], ...own, 'derp.server.enabled': true });
      assert.match(log, /198\.51\.100\.1 is an example, so it is left out/);
      assert.doesNotMatch(log, /clients may not reach/);
    });

    test('the file of the NixOS module starts the server', async () => {
      await starts(NIXOS);
    });

    test('what charts put into the environment starts the server, with a file or without', async () => {
      const { 'a chart of 2025 with everything in the environment': chart } = CONTAINERS;
      assert.ok(chart);
      // Its folder for data is mounted there in a container.
      const data = {
        HEADSCALE_DATABASE_SQLITE_PATH: '/var/lib/h/db.sqlite',
        HEADSCALE_NOISE_PRIVATE_KEY_PATH: '/var/lib/h/k',
      };
      await starts(undefined, { ...chart.env, ...data });
    });
  },
);

describe(
  'in the folder of a user',
  { skip: skipWithout('root', 'unshare', 'mount', 'setpriv') },
  () => {
    /** A copy of the checkout's path that every user may enter. */
    const malla = join(root, 'malla');
    mkdirSync(malla);

    /** `malla serve` as a user, with its data in a folder; everything else is for everybody. */
    function serve(uid: number, folder: string, before = 'true', lines = ''): Program {
      const config = join(root, 'config.yaml');
      writeFileSync(
        config,
        `server_url: http://127.0.0.1:1\npolicy.default: same-user\nlisten_addr: 127.0.0.1:0\ndata_dir: ${folder}\nunix_socket: ${folder}/malla.sock\nderp.server: {enabled: true, listen_addr: "127.0.0.1:0", stun_listen_addr: "127.0.0.1:0"}\n${lines}`,
      );
      const script = `mount --bind "${CHECKOUT}" "${malla}" && ${before}`;
      const as = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
      return inNamespace('-m', script, [...as, `${malla}/bin/malla`, 'serve', '-c', config]);
    }

    function folderOf(uid: number, mode = 0o700): string {
      const folder = mkdtempSync(join(root, 'data-'));
      chownSync(folder, uid, uid);
      chmodSync(folder, mode);
      return folder;
    }

    async function startsAndStops(uid: number, folder: string): Promise<void> {
      const program = serve(uid, folder);
      await program.stderrWith('server started');
      assert.equal(await program.end('SIGTERM'), 0);
    }

    test('a start as root leaves nothing that the user cannot open', async () => {
      const folder = folderOf(USER);
      await startsAndStops(0, folder);
      await startsAndStops(USER, folder);
      await startsAndStops(0, folder);
      assert.equal(statSync(join(folder, 'malla.db')).uid, USER);
    });

    test('that is root\u2019s, one line says whose it is, who runs, and what to do', async () => {
      const folder = folderOf(0, 0o755);
      const program = serve(USER, folder);
      assert.equal(await program.exitCode, 1);
      assert.match(
        program.stderr,
        /^Error: [^\n]*belongs to root \(uid 0\), mode 0755, and malla runs as \S+ \(uid 65534\): chown -R 65534:65534 [^\n]*\n$/,
      );
    });

    test('where one file is root\u2019s, whichever, one line names it', async () => {
      const folder = folderOf(USER);
      await startsAndStops(USER, folder);
      for (const file of [
        'malla.db',
        'malla.db.lock',
        'noise_private.key',
        'derp_private.key',
        'derp_cert.pem',
        'derp_key.pem',
      ]) {
        const path = join(folder, file);
        chownSync(path, 0, 0);
        const program = serve(USER, folder);
        assert.equal(await program.exitCode, 1, file);
        assert.match(
          program.stderr,
          new RegExp(
            `^Error: [^\\n]*${path} belongs to root \\(uid 0\\), [^\\n]*chown -R 65534:65534 ${folder}[^\\n]*\\n$`,
          ),
          file,
        );
        chownSync(path, USER, USER);
      }
    });

    test('every other file that it may not read is named, whether it stops the start or not', async () => {
      const folder = folderOf(USER);
      const closed = mkdtempSync(join(root, 'closed-'));
      const inside = (name: string): string => join(closed, name);
      for (const name of ['cert.pem', 'key.pem', 'records.json', 'derp.yaml', 'policy.hujson']) {
        writeFileSync(inside(name), '');
      }
      const belongs = `${closed} belongs to root \\(uid 0\\), mode 0700, and malla runs as \\S+ \\(uid 65534\\)`;
      for (const lines of [
        `tls_cert_path: ${inside('cert.pem')}\ntls_key_path: ${inside('key.pem')}\n`,
        `policy.path: ${inside('policy.hujson')}\n`,
      ]) {
        const program = serve(USER, folder, 'true', lines);
        assert.equal(await program.exitCode, 1, lines);
        assert.match(program.stderr, new RegExp(`^Error: .*${belongs}`, 'm'));
      }
      const lines = `dns.extra_records_path: ${inside('records.json')}\nderp.paths: [${inside('derp.yaml')}]\n`;
      const program = serve(USER, folder, 'true', lines);
      const log = await program.stderrWith('server started');
      assert.match(log, new RegExp(`DERP map not read .*${belongs}`));
      assert.match(log, new RegExp(`DNS records not read.*${belongs}`));
      assert.equal(await program.end('SIGTERM'), 0);
    });

    test('on a disk that is read-only, one line says so', async () => {
      const folder = folderOf(USER);
      await startsAndStops(USER, folder);
      const program = serve(
        USER,
        folder,
        `mount --bind "${folder}" "${folder}" && mount -o remount,ro,bind "${folder}"`,
      );
      assert.equal(await program.exitCode, 1);
      assert.match(program.stderr, /^Error: [^\n]* is on a read-only file system\n$/);
    });
  },
);

/** The last command of a shell script, in namespaces of its own. */
function inNamespace(
  kinds: string,
  script: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  const shell = [kinds, 'sh', '-c', `${script} && exec "$@"`, 'sh', ...argv];
  const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin';
  return new Program(spawn('unshare', shell, { cwd: '/', env: { PATH, ...env } }));
}
