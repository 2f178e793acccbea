import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Machine, operatorCall, type Started } from './operator-call.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const ID = '0123456789abcdef'.repeat(4);
const OUTSIDE = '/sbin/init\0';

function call(
  started: Partial<Started>,
  files: Readonly<Record<string, string>> = {},
  hostname = 'vpn',
): string {
  const machine: Machine = {
    read: (path) => ({ '/proc/1/cmdline': OUTSIDE, ...files })[path],
    realPath: (path) => links[path],
    hostname,
  };
  const links: Readonly<Record<string, string>> = {
    [`${ROOT}/bin/malla`]: `${ROOT}/bin/malla`,
    '/usr/local/bin/malla': `${ROOT}/bin/malla`,
    [`${ROOT}/node_modules/.bin/malla`]: `${ROOT}/bin/malla`,
    '/opt/image/malla': '/opt/malla/deploy/entrypoint',
    '/opt/other/malla': '/opt/other/malla',
  };
  const nothing = { configured: undefined, configPath: undefined, dataDir: undefined };
  return operatorCall({ ...nothing, cwd: '/root', env: {}, ...started }, machine);
}

describe('how the operator calls malla', () => {
  test('is by its name where the shell finds it, and this one', () => {
    assert.equal(call({ env: { PATH: '/bin:/usr/local/bin' } }), 'malla');
    assert.equal(call({ env: { PATH: '/bin:/opt/other' } }), `${ROOT}/bin/malla`);
    assert.equal(call({ env: { PATH: '.:' }, cwd: ROOT }), './bin/malla');
  });

  test('is by where it is, when only what npm runs finds it by its name', () => {
    const env = { PATH: `${ROOT}/node_modules/.bin:/bin` };
    assert.equal(call({ env }), `${ROOT}/bin/malla`);
    assert.equal(call({ env, cwd: ROOT }), './bin/malla');
    const both = { PATH: `${ROOT}/node_modules/.bin/:/usr/local/bin` };
    assert.equal(call({ env: both }), 'malla');
  });

  test('is from the folder it was started in, or from the root of the disk', () => {
    assert.equal(call({ cwd: ROOT }), './bin/malla');
    assert.equal(call({ cwd: ROOT.replace(/\/[^/]+$/, '') || '/' }).startsWith('./'), true);
    assert.equal(call({ cwd: '/etc' }), `${ROOT}/bin/malla`);
  });

  test('finds the server by the configuration or the folder it was started with', () => {
    const found = { env: { PATH: '/usr/local/bin' }, cwd: '/srv' };
    assert.equal(call({ ...found, configPath: 'my.yaml' }), 'malla -c /srv/my.yaml');
    assert.equal(call({ ...found, dataDir: '/tmp/a b' }), "MALLA_DATA_DIR='/tmp/a b' malla");
    assert.equal(call({ configPath: 'my.yaml', cwd: ROOT }), './bin/malla -c my.yaml');
    assert.equal(call({ configPath: "it's", cwd: ROOT }), `./bin/malla -c 'it'\\''s'`);
    assert.equal(call({ ...found, configPath: '/c', dataDir: '/d' }), 'malla -c /c');
  });

  test('is what the configuration says, as it stands', () => {
    const configured = 'docker compose exec vpn malla';
    assert.equal(call({ configured, configPath: 'x' }), configured);
  });

  const IMAGE = { env: { PATH: '/opt/image' } };

  test('is from outside of a container of Docker’s, by the id that it is mounted with or named by', () => {
    const docker = {
      '/.dockerenv': '',
      '/proc/1/cmdline': 'node\0/opt/malla/apps/cli/src/main.ts\0',
    };
    const mounts = `500 400 8:1 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw\n`;
    const mounted = { ...docker, '/proc/self/mountinfo': mounts };
    assert.equal(call(IMAGE, mounted), 'docker exec 0123456789ab malla');
    assert.equal(call(IMAGE, docker, 'fedcba987654'), 'docker exec fedcba987654 malla');
    assert.equal(call(IMAGE, docker), 'docker exec CONTAINER malla');
    assert.equal(call({}, mounted), `docker exec 0123456789ab ${ROOT}/bin/malla`);
    const init = { ...mounted, '/proc/1/cmdline': '/sbin/docker-init\0--\0malla\0serve\0' };
    assert.equal(
      call({ ...IMAGE, configPath: '/etc/malla/x.yaml' }, init),
      'docker exec 0123456789ab malla -c /etc/malla/x.yaml',
    );
    assert.equal(
      call({ ...IMAGE, dataDir: '/data' }, mounted),
      'docker exec 0123456789ab env MALLA_DATA_DIR=/data malla',
    );
  });

  test('is from outside of a container of Podman’s, by its name', () => {
    const first = { '/proc/1/cmdline': 'headscale\0serve\0' };
    const named = {
      ...first,
      '/run/.containerenv': `engine="podman-4.3.1"\nname="vpn"\nid="${ID}"\n`,
    };
    assert.equal(call(IMAGE, named), 'podman exec vpn malla');
    const mounts = `5 4 8:1 /overlay-containers/${ID}/userdata/hostname /etc/hostname rw\n`;
    const unnamed = { ...first, '/run/.containerenv': '', '/proc/self/mountinfo': mounts };
    assert.equal(call(IMAGE, unnamed), 'podman exec 0123456789ab malla');
  });

  test('is from outside of a pod', () => {
    const env = { ...IMAGE.env, KUBERNETES_SERVICE_HOST: '10.0.0.1' };
    const first = { '/proc/1/cmdline': 'malla\0serve\0' };
    assert.equal(call({ env }, first, 'vpn-0'), 'kubectl exec vpn-0 -- malla');
    const namespace = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
    assert.equal(
      call({ env }, { ...first, [namespace]: 'mesh' }, 'vpn-0'),
      'kubectl exec -n mesh vpn-0 -- malla',
    );
  });

  test('is from inside where the container is not malla’s own', () => {
    assert.equal(
      call({ cwd: ROOT }, { '/.dockerenv': '', '/proc/1/cmdline': 'bash\0' }),
      './bin/malla',
    );
  });
});
