import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readDocument } from './document.ts';
import { glance } from './glance.ts';

/** What a glance finds, by key. */
function found(text: string): Readonly<Record<string, unknown>> | undefined {
  const given = glance(text, 'c.yaml');
  return given && Object.fromEntries([...given].map(([key, { value }]) => [key, value]));
}

describe('a glance at a configuration', () => {
  test('is enough for the example file, and for what people make of it', () => {
    const example = readFileSync(
      new URL('../../../../config.example.yaml', import.meta.url),
      'utf8',
    );
    assert.deepEqual(found(`---\n${example}`), {
      unix_socket: '/var/run/malla/malla.sock',
      data_dir: '/var/lib/malla',
    });
    const moved =
      'server_url: https://a\nUnix_Socket: \'/run/a b.sock\'\r\nData_dir: "./d" # ours\r\n';
    assert.deepEqual(found(moved), { unix_socket: '/run/a b.sock', data_dir: './d' });
    const none = 'dns:\n  unix_socket: /no\n# unix_socket: /no\nlog: {level: info}\nx: [a, b]\n';
    assert.deepEqual(found(none), {});
    assert.deepEqual(found(''), {});
  });

  for (const text of [
    'cli:\n  address: a\n',
    'cli.address: a\n',
    'CLI: {}\n',
    'unix_socket: /a\nunix_socket: /b\n',
    'unix_socket: /a\n  b\n',
    'unix_socket: &x /a\n',
    'unix_socket: *x\n',
    'unix_socket: |\n  /a\n',
    'unix_socket: "/a\\n"\n',
    'unix_socket: !!str /a\n',
    'unix_socket: ~\n',
    'unix_socket: [/a]\n',
    'unix_socket : /a\n',
    '"unix_socket": /a\n',
    '  unix_socket: /a\n',
    '{unix_socket: /a}\n',
    '? unix_socket\n: /a\n',
    '<<: {unix_socket: /a}\n',
    'a: "\nunix_socket: /a\n"\n',
    "a: '\nunix_socket: /a'\n",
    'a: 1\n---\nunix_socket: /a\n',
    '- a\n',
    '%YAML 1.2\n---\nunix_socket: /a\n',
  ]) {
    test(`leaves ${JSON.stringify(text)} to be read in full`, () => {
      assert.equal(found(text), undefined);
    });
  }

  test('finds what the whole document says, or that it must be read', () => {
    const line = fc.constantFrom(
      'unix_socket: /a.sock',
      'UNIX_SOCKET: "/a b"',
      "data_dir: './d' # x",
      'data_dir: .',
      ' unix_socket: /b',
      'server_url: http://a',
      'log:',
      '  level: info',
      '# cli:',
      'cli:',
      '  address: a',
      'cli.insecure: true',
      'dns: {',
      '}',
      'trusted_proxies: [',
      '  10.0.0.0/8]',
      'w: [1, 2] # y',
      'x: "a',
      '"',
      "y: 'b",
      "'",
      'z: |',
      '  text',
      '&a b: c',
      '- d',
      '---',
      '...',
      '',
      '   ',
      '\t',
    );
    let glances = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), (lines, end) => {
        const text = lines.join(end);
        const given = glance(text, 'c.yaml');
        if (given === undefined) return;
        const whole = readDocument(text, 'c.yaml');
        // What is broken elsewhere does not keep a command from its server.
        if (whole.problems.some(({ key }) => key === undefined)) return;
        glances++;
        const wanted = [...whole.given].filter(([key]) =>
          /^(?:unix_socket$|data_dir$|cli)/.test(key),
        );
        assert.deepEqual([...given], wanted, text);
      }),
      { numRuns: 5_000 },
    );
    assert.ok(glances > 200);
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => void glance(text, 'c')));
  });
});
