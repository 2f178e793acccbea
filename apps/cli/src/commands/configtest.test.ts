import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Outcome, runMalla } from '../testing/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'malla-configtest-'));
after(() => rmSync(folder, { recursive: true }));

function configTest(lines: string, ...flags: readonly string[]): Promise<Outcome> {
  const path = join(folder, 'config.yaml');
  const own = `server_url: https://vpn.acme.dev\npolicy.default: same-user\ndata_dir: ${folder}\nunix_socket: ${folder}/s\n`;
  writeFileSync(path, own + lines);
  return runMalla(['configtest', '-c', path, ...flags]);
}

describe('malla configtest', () => {
  test('says nothing of what is good, and passes', async () => {
    assert.deepEqual(await configTest(''), { code: 0, stdout: '', stderr: '', requests: [] });
  });

  test('says for programs what it finds, good or bad', async () => {
    const config = join(folder, 'config.yaml');
    assert.deepEqual(await report(''), [0, { valid: true, config, problems: [], notes: [] }]);
    assert.deepEqual(await report('listen_addr: nowhere\nfoo_bar: 1\n'), [
      1,
      {
        valid: false,
        config,
        problems: [
          {
            source: config,
            line: 5,
            key: 'listen_addr',
            message: '"nowhere" is not host:port, [IPv6]:port or :port',
          },
        ],
        notes: [],
      },
    ]);
    const policy = join(folder, 'policy.hujson');
    writeFileSync(policy, '{"aclss": []}');
    const [code, { valid, problems }] = await report(`policy.path: ${policy}\n`);
    assert.deepEqual([code, valid], [1, false]);
    const [problem] = problems as readonly Readonly<Record<string, unknown>>[];
    assert.deepEqual(
      [problem?.['source'], problem?.['line'], problem?.['key']],
      [policy, 1, 'aclss'],
    );
    const [, { notes }] = await report('frob: 1\n');
    assert.deepEqual((notes as readonly object[]).length, 1);
  });

  test('passes with warnings, each with its place', async () => {
    const path = join(folder, 'derp.yaml');
    writeFileSync(path, 'regions: {900: {nodes: [{name: 900a, hostname: 10.0.0.5}]}}\n');
    const { code, stderr } = await configTest(
      `derp.paths: [${path}]\nderp.server.enabled: false\n`,
    );
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^\S+config\.yaml:5: warning: derp\.paths: region 900, node 900a: 10\.0\.0\.5 is private [^\n]*\n$/,
    );
  });

  test('fails for a certificate that is named and missing, and warns of a file of records, with their places', async () => {
    const { code, stderr } = await configTest(
      `tls_cert_path: ${folder}/no.pem\ntls_key_path: ${folder}/no.key\ndns.extra_records_path: ${folder}/no.json\n`,
    );
    assert.equal(code, 1);
    const [records = '', certificate = '', ...others] = stderr.trimEnd().split('\n');
    assert.match(
      certificate,
      /^Error: configuration error: \S+config\.yaml:5: tls_cert_path: cannot use the certificate/,
    );
    // The server starts without, as a program may be about to write it.
    assert.match(
      records,
      /^\S+config\.yaml:7: warning: dns\.extra_records_path: \S+: there is no such file$/,
    );
    assert.deepEqual(others, []);
  });
});

/** The exit code and what is printed for programs. */
async function report(lines: string): Promise<[number, Readonly<Record<string, unknown>>]> {
  const { code, stdout } = await configTest(lines, '-o', 'json');
  return [code, JSON.parse(stdout) as Readonly<Record<string, unknown>>];
}
