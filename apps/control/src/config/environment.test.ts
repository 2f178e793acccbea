import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { readEnvironment, variableOf } from './environment.ts';
import type { Given } from './given.ts';
import { KEY_NAMES, keyOf, type KeyName } from './keys/table.ts';
import { formatNote } from './report.ts';

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

/** One of these is a value of each kind, and other than any default. */
const SAMPLES = [
  '12345678',
  '77',
  '7777',
  'true',
  'false',
  '0707',
  '26h',
  '192.0.2.0/24',
  '192.0.2.7',
  '2001:db8::7',
  '127.0.0.1:7777',
  'https://a.example',
  'a.example',
  'debug',
  'json',
  'random',
  'allow-all',
  'database',
  'sqlite3',
  'node',
  'plain',
  'TLS-ALPN-01',
  '/a/b',
  '[{"name":"a.example","type":"A","value":"100.64.0.9"}]',
  '{"corp.example.com":["10.0.0.1","10.0.0.2"]}',
  '{"domain_hint":"example.com"}',
];

function givenBy(env: Readonly<Record<string, string>>, key: KeyName): unknown {
  const { given, notes } = readEnvironment(env);
  assert.deepEqual(notes, [], key);
  const value = given.get(key);
  assert.ok(value, key);
  return parsed(key, value);
}

function parsed(key: KeyName, given: Given): unknown {
  const result = keyOf(key).kind.parse(given);
  assert.ok(result.ok, result.ok ? '' : `${key}: ${result.error}`);
  return result.value;
}

/** A text that the key takes and that is not its default. */
function sampleOf(key: KeyName): string {
  const { kind, fallback } = keyOf(key);
  const found = SAMPLES.find((text) => {
    const result = kind.parse({ source: '', line: undefined, value: text, text });
    return result.ok && !isDeepStrictEqual(result.value, fallback);
  });
  assert.ok(found, `no sample fits ${key}`);
  return found;
}

describe('every key', () => {
  test('is set by MALLA_ and by HEADSCALE_, to what the file would set it to', () => {
    for (const key of KEY_NAMES) {
      const sample = sampleOf(key);
      const isComposed = typeof keyOf(key).fallback === 'object' && /^[[{]/.test(sample);
      const value: unknown = isComposed ? JSON.parse(sample) : sample;
      const text = isComposed ? undefined : sample;
      const inFile = { source: 'c.yaml', line: 1, value, text };
      const name = variableOf(key);
      for (const variable of [name, name.replace('MALLA_', 'HEADSCALE_')]) {
        assert.deepEqual(givenBy({ [variable]: sample }, key), parsed(key, inFile), variable);
      }
    }
  });

  test('that is a list is set with spaces, commas, JSON or YAML', () => {
    const lists = KEY_NAMES.filter((key) => Array.isArray(keyOf(key).fallback));
    assert.ok(lists.length > 5);
    for (const key of lists) {
      if (key === 'dns.extra_records') continue;
      const sample = sampleOf(key);
      const variable = variableOf(key);
      const [one] = givenBy({ [variable]: sample }, key) as readonly unknown[];
      for (const text of [
        `${sample} ${sample}`,
        `${sample},${sample}`,
        ` ${sample} , ${sample}, `,
        JSON.stringify([sample, sample]),
        `["${sample}", '${sample}']`,
        `[${sample}, ${sample}]`,
      ]) {
        assert.deepEqual(givenBy({ [variable]: text }, key), [one, one], text);
      }
    }
  });
});

describe('a value from the environment', () => {
  test('may be a map of lists, in JSON as the reference takes it or in YAML as people write it', () => {
    const key = 'dns.nameservers.split';
    for (const text of [
      '{"corp.example.com":["10.0.0.1"]}',
      '{corp.example.com: ["10.0.0.1"]}',
      '{corp.example.com: 10.0.0.1}',
    ]) {
      assert.deepEqual(givenBy({ HEADSCALE_DNS_NAMESERVERS_SPLIT: text }, key), {
        'corp.example.com': ['10.0.0.1'],
      });
    }
  });

  test('may begin with a bracket and be an address', () => {
    const key = 'dns.nameservers.global';
    const text = '[2606:4700:4700::1111]:53 1.1.1.1';
    assert.deepEqual(givenBy({ MALLA_DNS_NAMESERVERS_GLOBAL: text }, key), text.split(' '));
    assert.deepEqual(givenBy({ MALLA_DNS_NAMESERVERS_GLOBAL: '[2606:4700:4700::1111]:53' }, key), [
      '[2606:4700:4700::1111]:53',
    ]);
  });

  test('that is neither a list nor a map is refused with what is allowed', () => {
    for (const text of [
      'corp.example.com',
      '{',
      '{"a',
      '[1]',
      '{a: &b [*b]}',
      '{'.repeat(20_000),
    ]) {
      const { given } = readEnvironment({ MALLA_DNS_NAMESERVERS_SPLIT: text });
      const value = given.get('dns.nameservers.split');
      assert.ok(value);
      assert.equal(keyOf('dns.nameservers.split').kind.parse(value).ok, false, text.slice(0, 20));
    }
  });
});
