import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocument } from './document.ts';
import { formatNote, formatProblem } from './report.ts';

function notesOf(text: string): string[] {
  return readDocument(text, 'c.yaml').notes.map(formatNote);
}

function problemsOf(text: string): string[] {
  return readDocument(text, 'c.yaml').problems.map(formatProblem);
}

describe('configuration document', () => {
  test('every value knows its line and its text as written', () => {
    const { given, problems } = readDocument(
      'server_url: https://a.example\n\nunix_socket_permission: 0770\ndns:\n  magic_dns: true\n',
      'c.yaml',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(given.get('unix_socket_permission'), {
      source: 'c.yaml',
      line: 3,
      value: 770,
      text: '0770',
    });
    assert.equal(given.get('dns.magic_dns')?.line, 5);
  });

  test('keys match without regard to case, and dotted keys are the same as nested ones', () => {
    const { given } = readDocument('Server_URL: x\ndns.magic_dns: true\n', 'c.yaml');
    assert.deepEqual([...given.keys()], ['server_url', 'dns.magic_dns']);
  });

  test('a key without a value, and a section without keys, are as if absent', () => {
    assert.equal(readDocument('server_url:\ndns:\nlog: ~\n', 'c.yaml').given.size, 0);
  });

  test('an alias stands for the value it names', () => {
    const { given } = readDocument(
      'dns:\n  base_domain: &d a.example\n  search_domains: [*d]\nacme_email: *d\n',
      'c.yaml',
    );
    assert.equal(given.get('acme_email')?.text, 'a.example');
    assert.deepEqual(given.get('dns.search_domains')?.value, ['a.example']);
  });

  test('empty text is as if absent, of keys, sections and removed keys', () => {
    const text =
      'prefixes: {v6: ""}\nlog: {level: "", format: "  "}\npolicy: ""\nacl_policy_path: ""\nunix_socket:\n';
    const { given, problems, notes } = readDocument(text, 'c.yaml');
    assert.deepEqual([given.size, problems, notes], [0, [], []]);
  });

  test('empty text that says something is kept', () => {
    const { given } = readDocument('metrics_listen_addr: ""\ndns.base_domain: ""\n', 'c.yaml');
    assert.deepEqual([...given.keys()], ['metrics_listen_addr', 'dns.base_domain']);
  });

  test('an empty switch that is on by default is told of, as elsewhere it would be off', () => {
    assert.deepEqual(notesOf('dns.magic_dns: ""\nlogtail.enabled: ""\n'), [
      'c.yaml:1: warning: dns.magic_dns: has no value, so its default holds: true',
    ]);
  });

  test('a misspelled key is refused, an unknown one told of, one without a value passed over', () => {
    const text =
      'server_ulr: x\ndns:\n  base_domian: y\n  frob: 1\nfrob:\n  nicate: 1\ndsn:\n  a: 1\nserver_urk: ~\n';
    assert.deepEqual(problemsOf(text), [
      'c.yaml:1: server_ulr: unknown key, did you mean server_url?',
      'c.yaml:3: dns.base_domian: unknown key, did you mean dns.base_domain?',
      'c.yaml:7: dsn: unknown key, did you mean dns?',
    ]);
    assert.deepEqual(notesOf(text), [
      'c.yaml:4: warning: dns.frob: unknown key, ignored',
      'c.yaml:5: warning: frob: unknown section, ignored',
    ]);
  });

  test('however many keys are unknown, the first hundred are told of', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `frob${i}x: 1\n`).join('');
    assert.equal(notesOf(text).length, 100);
  });

  test('a key that is set twice is reported with both lines', () => {
    assert.deepEqual(problemsOf('listen_addr: :1\nLISTEN_ADDR: :2\n'), [
      'c.yaml:2: listen_addr: set twice, first on line 1',
    ]);
  });

  test('a value where a section belongs is reported with an example of a key', () => {
    assert.deepEqual(problemsOf('\nlog: debug\n'), [
      'c.yaml:2: log: this section must hold keys, as in "log.level: ..."',
    ]);
    assert.match(problemsOf('just text')[0] ?? '', /the file must hold keys/);
  });

  test('what is not YAML is reported with its line', () => {
    assert.match(problemsOf('a: 1\nb: [1, 2\n')[0] ?? '', /^c\.yaml:\d+: not YAML: /);
    const template = 'listen_addr: :1\n' + 'log: { level: {{ .level }} }}\n'.repeat(50);
    const said = problemsOf(template);
    assert.equal(said.length, 3);
    assert.match(said[0] ?? '', /^c\.yaml:2: not YAML: /);
  });

  test('alias bombs, cycles and deep nesting are reported, not followed', () => {
    const bomb = `dns:\n  extra_records:\n${Array.from({ length: 20 }, (_, i) =>
      i === 0 ? '    - &a0 [x, x]' : `    - &a${i} [*a${i - 1}, *a${i - 1}]`,
    ).join('\n')}\n`;
    assert.match(problemsOf(bomb)[0] ?? '', /not readable as YAML/);
    assert.equal(problemsOf(`dns: ${'['.repeat(50_000)}`).length > 0, true);
    readDocument('dns: &d\n  nameservers: *d\n', 'c.yaml');
    readDocument('trusted_proxies: &p [*p]\n', 'c.yaml');
  });

  test('a file larger than any configuration is refused before it is parsed', () => {
    assert.match(problemsOf('#'.repeat(2 ** 20 + 1))[0] ?? '', /too large/);
  });
});
