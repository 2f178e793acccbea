import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { loadOrCreateKey } from '@malla/platform/key-file';
import { needsRoot, STRANGER } from '@malla/platform/testing/as-user';
import { testCertificate } from '@malla/platform/testing/certificates';
import { loadConfig } from './config/load.ts';
import { formatNote, formatProblem } from './config/report.ts';
import { preflight } from './preflight.ts';
import { SqliteStore } from './store/sqlite/sqlite.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);

function tls(certPath: string, keyPath: string): string {
  return `tls_cert_path: ${certPath}\ntls_key_path: ${keyPath}\n`;
}

/** A message without the place. */
function bare(line: string): string {
  return line.replace(/^\/c\.yaml(?::\d+)?: /, '');
}

describe('what a start would find', () => {
  let folder: string;
  let data: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'malla-preflight-'));
    chmodSync(folder, 0o755);
    data = join(folder, 'data');
    mkdirSync(data, { mode: 0o700 });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Problems and notes about a configuration that is good in itself, without the place. */
  async function findings(
    lines: string,
    dataDir = data,
  ): Promise<{ problems: string[]; notes: string[] }> {
    const url = lines.includes('server_url') ? '' : 'server_url: https://vpn.acme.dev\n';
    const text = `${url}policy.default: same-user\ndata_dir: ${dataDir}\nunix_socket: ${dataDir}/s\n${lines}`;
    const loaded = loadConfig({ path: '/c.yaml', env: {}, cwd: '/', readFile: () => text });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.error.map(formatProblem).join('\n'));
    const { problems, notes } = await preflight(loaded.value, NOW);
    return {
      problems: problems.map((problem) => bare(formatProblem(problem))),
      notes: notes.map((note) => bare(formatNote(note))),
    };
  }

  async function problemOf(lines: string): Promise<string> {
    const { problems } = await findings(lines);
    assert.ok(problems.length <= 1, problems.join('\n'));
    return problems[0] ?? '';
  }

  function write(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** A pair that ends at a time. */
  function dated(to: number, host = 'vpn.acme.dev'): string {
    const { cert, key } = testCertificate({ host, from: NOW - 90 * DAY, to });
    return tls(write('c.pem', cert), write('k.pem', key));
  }

  test('is nothing where there is only an empty folder, and nothing is made in it', async () => {
    assert.deepEqual(await findings(''), { problems: [], notes: [] });
    assert.deepEqual(readdirSync(data), []);
  });

  test('is nothing in the folder of a server that has run', async () => {
    await loadOrCreateKey(join(data, 'noise_private.key'), randomBytes);
    const store = SqliteStore.open({
      path: join(data, 'malla.db'),
      writeAheadLog: true,
      walAutocheckpoint: 1000,
    });
    assert.deepEqual(await findings(''), { problems: [], notes: [] });
    await store.close();
    assert.deepEqual(await findings(''), { problems: [], notes: [] });
  });

  test('is a folder that is missing, or is none', async () => {
    rmSync(data, { recursive: true });
    assert.deepEqual(await findings(''), {
      problems: [],
      notes: [`note: data_dir: ${data} does not exist yet: it is made at the first start`],
    });
    const misspelled = join(folder, 'vra', 'lib', 'malla');
    const { notes } = await findings(`database.sqlite.path: ${folder}/malla.db\n`, misspelled);
    assert.match(notes.join(), /^warning: data_dir: \S+vra\/lib\/malla does not exist yet/);
    assert.deepEqual(readdirSync(folder), []);
    writeFileSync(data, '');
    assert.match((await findings('')).problems.join(), /data is no folder/);
  });

  test('is a certificate or key that is missing, broken, or of another pair', async () => {
    const good = testCertificate({ host: 'vpn.acme.dev', from: NOW - DAY, to: NOW + 60 * DAY });
    const other = testCertificate({ host: 'vpn.acme.dev', from: NOW - DAY, to: NOW + 60 * DAY });
    const [cert, key, otherKey] = [
      write('c.pem', good.cert),
      write('k.pem', good.key),
      write('o.pem', other.key),
    ];
    assert.deepEqual(await findings(tls(cert, key)), { problems: [], notes: [] });
    for (const [c, k] of [
      [join(folder, 'none'), key],
      [cert, join(folder, 'none')],
      [cert, otherKey],
      [key, cert],
      [write('text', 'no PEM'), key],
    ] as const) {
      const said = await problemOf(tls(c, k));
      assert.ok(
        said.startsWith(`tls_cert_path: cannot use the certificate ${c} with the key ${k}: `),
        said,
      );
    }
    const relay = `server_url: http://192.168.1.10:8080\nderp.server: {cert_path: ${cert}, key_path: ${otherKey}}\n`;
    assert.match(await problemOf(relay), /^derp\.server\.cert_path: cannot use the certificate/);
  });

  test('is a certificate that has expired, will soon, or is for another host', async () => {
    for (const [lines, said] of [
      [() => dated(NOW - DAY), /^warning: tls_cert_path: \S+: it has expired on /],
      [() => dated(NOW + 3 * DAY), /^warning: tls_cert_path: \S+: it expires in 3 days/],
      [
        () => dated(NOW + 60 * DAY, 'acme.dev'),
        /^warning: .* it is not for vpn\.acme\.dev, but for/,
      ],
    ] as const) {
      const { problems, notes } = await findings(lines());
      assert.deepEqual(problems, []);
      assert.equal(notes.length, 1);
      assert.match(notes[0] ?? '', said);
    }
  });

  test('is a file of records that is missing, broken, or has odd ones', async () => {
    const path = join(folder, 'records.json');
    const lines = `dns.extra_records_path: ${path}\n`;
    assert.match(
      (await findings(lines)).notes.join(),
      /^warning: dns\.extra_records_path: \S+records\.json: there is no such file$/,
    );
    for (const [text, said] of [
      ['', /records\.json: is empty$/],
      ['{', /records\.json: not JSON/],
      [
        '[{"name":"a.b","type":"A","value":"x"}]',
        /record 1: value "x" is not an address of type A/,
      ],
    ] as const) {
      writeFileSync(path, text);
      assert.match(await problemOf(lines), said);
    }
    writeFileSync(path, '[{"name":"a.b","type":"MX","value":"x"}]');
    assert.match((await findings(lines)).notes.join(), /^warning: dns\.extra_records_path: .*"MX"/);
  });

  test('is a DERP map file that is missing, broken, empty, or has odd parts', async () => {
    const path = join(folder, 'derp.yaml');
    const lines = `derp: {paths: [${path}], server: {enabled: true}}\n`;
    assert.match(
      (await findings(lines)).notes.join(),
      /^warning: derp\.paths: \S+derp\.yaml: cannot be read: there is no such file$/,
    );
    writeFileSync(path, 'regions: [');
    assert.match(await problemOf(lines), /neither YAML nor JSON/);
    writeFileSync(path, '');
    assert.deepEqual((await findings(lines)).notes, [`warning: derp.paths: ${path} is empty`]);
    writeFileSync(
      path,
      'regions: {900: {nodes: [{name: 900a, hostname: 192.168.1.10}, {hostname: x}]}}',
    );
    const { problems, notes } = await findings(lines);
    assert.deepEqual(problems, []);
    assert.match(notes[0] ?? '', /left out: Regions\.900\.Nodes\[1\]: Name: missing$/);
    assert.match(
      notes[1] ?? '',
      /^warning: .*node 900a: 192\.168\.1\.10 is private while server_url/,
    );
    assert.equal(notes.length, 2);
  });

  test('is that no relay is left, where the files alone name any', async () => {
    const path = join(folder, 'derp.yaml');
    const lines = `derp: {paths: [${path}]}\n`;
    const good = 'regions: {902: {regionid: 900, nodes: [{name: a, hostname: derp.acme.dev}]}}';
    for (const none of [
      'regions: {902: {nodes: [{hostname: derp.acme.dev}]}}',
      'regions: {902: {nodes: []}}',
      'regions: {902: {nodes: [{name: a, hostname: derp.acme.dev, stunonly: true}]}}',
      'regions: {}',
      '',
    ]) {
      writeFileSync(path, none);
      assert.match(await problemOf(lines), /^derp\.paths: leaves no relay at all/, none);
      const others = [
        `derp: {paths: [${path}], server: {enabled: true}}\n`,
        `derp: {paths: [${path}], urls: [https://relay.example/map]}\n`,
        `derp: {paths: [${path}, ${write('other.yaml', good)}]}\n`,
      ];
      for (const other of others) {
        assert.deepEqual((await findings(other)).problems, [], `${none} and ${other}`);
      }
    }
    writeFileSync(path, good);
    const { problems, notes } = await findings(lines);
    assert.deepEqual(problems, []);
    assert.match(notes.join(), /derp\.yaml: Regions\.902: RegionID: taken as 902/);
  });

  test('is a relay of its own at a private address, while the server is public', async () => {
    const { notes } = await findings('derp.server: {enabled: true, ipv4: 10.0.0.5}\n');
    assert.match(
      notes.join(),
      /^warning: derp\.server\.hostname: region 999, node 999a: 10\.0\.0\.5/,
    );
    assert.deepEqual((await findings('derp.server: {enabled: true, ipv4: 9.9.9.9}\n')).notes, []);
  });

  test('is a key file that holds none', async () => {
    const path = write('noise.key', 'privkey:short');
    assert.match(
      await problemOf(`noise.private_key_path: ${path}\n`),
      /^noise\.private_key_path: \S+noise\.key does not hold a private key/,
    );
    const key = write('derp.key', '');
    assert.match(
      await problemOf(`derp.server.private_key_path: ${key}\n`),
      /^derp\.server\.private/,
    );
  });

  test('is a database of another program, or none at all', async () => {
    const path = join(folder, 'db.sqlite');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE users (id INTEGER)');
    database.close();
    const lines = `database.sqlite.path: ${path}\n`;
    assert.match(await problemOf(lines), /is the database of another program, not malla's$/);
    writeFileSync(path, 'text'.repeat(1_000));
    assert.match(await problemOf(lines), /^database\.sqlite\.path: database \S+ is damaged/);
  });

  test(
    'as root, is what the user whose folder it is may not read',
    { skip: needsRoot },
    async () => {
      chownSync(data, STRANGER, STRANGER);
      const { cert, key } = testCertificate({
        host: 'vpn.acme.dev',
        from: NOW - DAY,
        to: NOW + 60 * DAY,
      });
      const live = join(folder, 'live');
      mkdirSync(live, { mode: 0o700 });
      const lines = tls(write('live/c.pem', cert), write('live/k.pem', key));
      const { problems } = await findings(lines);
      assert.equal(problems.length, 1);
      assert.match(
        problems[0] ?? '',
        /^tls_cert_path: \S+\/live belongs to root \(uid 0\), mode 0700, and malla runs as nobody .*: give malla a copy/,
      );
      const records = write('records.json', '[]');
      chmodSync(records, 0o600);
      assert.match(
        await problemOf(`dns.extra_records_path: ${records}\n`),
        /records\.json belongs to root .*: chgrp 65534/,
      );
      writeFileSync(join(data, 'noise_private.key'), '', { mode: 0o600 });
      assert.match(await problemOf(''), /noise_private\.key belongs to root .*: (?:chown|chgrp)/);
    },
  );
});
