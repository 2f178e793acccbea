import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocument } from './document.ts';
import { formatProblem } from './report.ts';

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

  test('every unknown key is reported with its line and the nearest known one', () => {
    assert.deepEqual(problemsOf('server_ulr: x\ndns:\n  base_domian: y\nfrob:\n  nicate: 1\n'), [
      'c.yaml:1: server_ulr: unknown key, did you mean server_url?',
      'c.yaml:3: dns.base_domian: unknown key, did you mean dns.base_domain?',
      'c.yaml:4: frob: unknown key',
    ]);
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
