import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Logger } from '@malla/base/logger';
import { complaints } from '@malla/testkit/recorded-log';
import { DerpMaps, type DerpMapSources, readDerpFile } from './derp-maps.ts';

function regionOf(id: number, host: string): string {
  return `  ${id}: {nodes: [{name: ${id}a, hostname: ${host}}]}\n`;
}

async function regionsOf(derpMaps: DerpMaps): Promise<readonly string[]> {
  return Object.keys((await derpMaps.read()).Regions);
}

describe('DERP maps', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-derp-'));
    path = join(folder, 'derp.yaml');
  });
  after(() => rm(folder, { recursive: true }));

  function maps(log: Logger, sources: Partial<DerpMapSources> = {}): DerpMaps {
    const none = { urls: [], embedded: undefined, serverHost: 'vpn.acme.dev' };
    return new DerpMaps({ ...none, paths: [path], ...sources }, log);
  }

  test('lack only what is wrong, which is told once', async () => {
    const { log, lines } = complaints();
    const derpMaps = maps(log);
    const bad = '  901: {nodes: [{hostname: derp2.acme.dev}]}\n';
    await writeFile(path, `regions:\n${regionOf(900, 'derp.acme.dev')}${bad}`);
    assert.deepEqual(await regionsOf(derpMaps), ['900']);
    assert.deepEqual(await regionsOf(derpMaps), ['900']);
    assert.deepEqual(lines, [
      `warn part of a DERP map left out ${JSON.stringify({ source: path, detail: 'Regions.901.Nodes[0]: Name: missing' })}`,
      `warn part of a DERP map left out ${JSON.stringify({ source: path, detail: 'Regions.901: no node is left' })}`,
    ]);
    await writeFile(path, `regions:\n${regionOf(900, 'derp.acme.dev')}`);
    await derpMaps.read();
    await writeFile(path, `regions:\n${regionOf(900, 'derp.acme.dev')}${bad}`);
    await derpMaps.read();
    assert.equal(lines.length, 4);
  });

  test('have a region under the number that it stands in the file, which is told', async () => {
    const { log, lines } = complaints();
    const text = 'regions: {902: {regionid: 900, nodes: [{name: a, hostname: derp.acme.dev}]}}';
    await writeFile(path, text);
    assert.deepEqual(await regionsOf(maps(log)), ['902']);
    const detail = 'Regions.902: RegionID: taken as 902, the region it stands in';
    assert.deepEqual(lines, [
      `warn part of a DERP map corrected ${JSON.stringify({ source: path, detail })}`,
    ]);
  });

  test('keep what a file said last while it is empty, broken or gone', async () => {
    const { log, lines } = complaints();
    const derpMaps = maps(log);
    await writeFile(path, `regions:\n${regionOf(900, 'derp.acme.dev')}`);
    await derpMaps.read();
    for (const [text, said] of [
      ['', /^warn DERP map is empty/],
      ['# nothing yet\n', /^warn DERP map is empty/],
      ['regions: [', /^error DERP map not read .*neither YAML nor JSON/],
      ['regions: []', /^error DERP map not read .*Regions: expected an object/],
      ['[]', /^error DERP map not read .*expected an object with Regions/],
    ] as const) {
      await writeFile(path, text);
      assert.deepEqual(await regionsOf(derpMaps), ['900'], text);
      assert.match(lines.pop() ?? '', said);
    }
    await rm(path);
    assert.deepEqual(await regionsOf(derpMaps), ['900']);
    assert.match(lines.pop() ?? '', /^warn DERP map not read .*there is no such file/);
    assert.deepEqual(lines, []);
  });

  test('without any relay are an error, with a doubtful one a warning, each told once', async () => {
    const { log, lines } = complaints();
    await writeFile(path, 'regions: {}\n');
    const derpMaps = maps(log);
    await derpMaps.read();
    await derpMaps.read();
    assert.deepEqual(lines.splice(0), [
      'error there is no relay: clients do not connect without one {}',
    ]);
    await writeFile(path, `regions:\n${regionOf(900, '192.168.1.10')}`);
    await derpMaps.read();
    await derpMaps.read();
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^warn relay that clients may not reach .*node 900a: 192\.168/);
  });

  test('are fetched; what keeps one away is told with its cause', async () => {
    const { log, lines } = complaints();
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/map' ? 200 : 404;
      response.end(
        JSON.stringify({ Regions: { 1: { Nodes: [{ Name: '1a', HostName: 'h.dev' }] } } }),
      );
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const derpMaps = maps(log, { paths: [], urls: [`${url}/map`, `${url}/none`] });
    assert.deepEqual(await regionsOf(derpMaps), ['1']);
    assert.match(lines.pop() ?? '', /it answered 404/);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(await regionsOf(derpMaps), ['1']);
    assert.match(lines.join('\n'), /ECONNREFUSED/);
  });

  test('of a file are read alike without a server', async () => {
    await writeFile(path, `regions:\n${regionOf(900, 'h.dev')}`);
    const read = await readDerpFile(path);
    assert.deepEqual(read.ok && read.value?.leftOut, []);
    assert.deepEqual(await readDerpFile(folder), { ok: false, error: 'is not a file' });
  });
});
