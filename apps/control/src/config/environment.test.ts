import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readEnvironment, variableOf } from './environment.ts';
import { KEY_NAMES } from './keys/table.ts';
import { formatNote, formatProblem } from './report.ts';

describe('configuration from the environment', () => {
  test('each key has one variable, and no two keys the same', () => {
    assert.equal(variableOf('dns.base_domain'), 'MALLA_DNS_BASE_DOMAIN');
    assert.equal(new Set(KEY_NAMES.map(variableOf)).size, KEY_NAMES.length);
  });

  test('MALLA_ wins over HEADSCALE_, and an empty variable is as if absent', () => {
    const { given, notes } = readEnvironment({
      HEADSCALE_SERVER_URL: 'http://h.example',
      MALLA_SERVER_URL: 'http://m.example',
      HEADSCALE_LISTEN_ADDR: ':1',
      MALLA_LISTEN_ADDR: '',
      PATH: '/bin',
    });
    assert.equal(given.get('server_url')?.text, 'http://m.example');
    assert.equal(given.get('listen_addr')?.source, 'HEADSCALE_LISTEN_ADDR');
    assert.deepEqual(notes, []);
  });

  test('the path of a secret may end in _FILE', () => {
    const { given } = readEnvironment({ MALLA_CLI_API_KEY_FILE: '/run/secrets/key' });
    assert.equal(given.get('cli.api_key_path')?.text, '/run/secrets/key');
  });

  test('a map or a list of records cannot be set', () => {
    const { problems } = readEnvironment({ HEADSCALE_DNS_NAMESERVERS_SPLIT: 'a' });
    assert.deepEqual(problems.map(formatProblem), [
      'HEADSCALE_DNS_NAMESERVERS_SPLIT: dns.nameservers.split: cannot be set from the environment: it is a map from DNS names to lists of name servers',
    ]);
  });

  test('a variable that sets no key is warned about, with the nearest', () => {
    const { notes } = readEnvironment({
      MALLA_SERVER_ULR: 'x',
      HEADSCALE_DEBUG_DEADLOCK: '1',
      MALLA_CONFIG: '/c.yaml',
    });
    assert.deepEqual(notes.map(formatNote), [
      'MALLA_SERVER_ULR: warning: sets no key that is known; ignored; did you mean MALLA_SERVER_URL?',
      "HEADSCALE_DEBUG_DEADLOCK: warning: headscale's debugging switches have no effect here",
    ]);
  });

  test('what Kubernetes sets for a service of that name is no mistake', () => {
    const { given, notes } = readEnvironment({
      HEADSCALE_PORT: 'tcp://10.0.0.1:8080',
      HEADSCALE_PORT_8080_TCP_ADDR: '10.0.0.1',
      MALLA_SERVICE_HOST: '10.0.0.1',
      MALLA_SERVICE_PORT_HTTP: '8080',
    });
    assert.equal(given.size, 0);
    assert.deepEqual(notes, []);
  });
});
