import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { REMOVED_NAMES } from './keys/removed.ts';
import { KEY_NAMES, keyOf } from './keys/table.ts';
import { loadConfig } from './load.ts';
import { renderExample, renderReference } from './reference.ts';
import { formatNote, formatProblem } from './report.ts';

const root = new URL('../../../../', import.meta.url);

/** Everything that loading this text has to say. */
function saidOf(text: string): string[] {
  const result = loadConfig({ path: 'c.yaml', env: {}, cwd: '/', readFile: () => text });
  return result.ok ? result.value.warnings.map(formatNote) : result.error.map(formatProblem);
}

const UNEDITED = /^c\.yaml:\d+: warning: server_url: vpn\.example\.org is of examples[^\n]*$/;

describe('configuration reference', () => {
  test('config.example.yaml and docs/reference/config.md are what the table of keys says', () => {
    const hint = 'run: node scripts/generate-config-example.ts';
    const example = readFileSync(new URL('config.example.yaml', root), 'utf8');
    assert.equal(example, renderExample(), hint);
    const reference = readFileSync(new URL('docs/reference/config.md', root), 'utf8');
    assert.equal(reference, renderReference(), hint);
  });

  test('the example loads, and all there is to say is that its server_url is to be changed', () => {
    assert.match(saidOf(renderExample()).join('\n'), UNEDITED);
  });

  test('the example with the two lines of the guide changes nothing on devices', () => {
    const text = renderExample()
      .replace(/^server_url: .*$/m, 'server_url: https://vpn.acme.dev')
      .replace(/^listen_addr: .*$/m, 'listen_addr: 0.0.0.0:8080');
    const result = loadConfig({ path: 'c.yaml', env: {}, cwd: '/', readFile: () => text });
    assert.ok(result.ok);
    const { dns, node, logtail, autoUpdate, randomizeClientPort } = result.value.config.tailnet;
    assert.deepEqual([dns.nameservers, dns.overrideLocalDns, dns.searchDomains], [[], false, []]);
    assert.deepEqual(dns.splitNameservers, {});
    assert.deepEqual(
      [node.expiryMs, logtail.enabled, autoUpdate.enabled, randomizeClientPort],
      [undefined, false, false, false],
    );
    assert.deepEqual(result.value.warnings, []);
  });

  test('the example loads with every commented key taken in', () => {
    const text = renderExample().replaceAll(/^( *)# ([a-z_0-9.]+:(?: .*)?)$/gm, '$1$2');
    assert.match(text, /^cli\.timeout: 5s$/m);
    assert.match(text, /^ {4}stun\.enabled: true$/m);
    assert.match(saidOf(text).join('\n'), UNEDITED);
  });

  test('the example has every key that can have an effect', () => {
    const example = renderExample();
    for (const name of KEY_NAMES) {
      const { unused, only, refused, deprecated } = keyOf(name);
      if ((unused ?? only ?? refused ?? deprecated) !== undefined) continue;
      const last = name.slice(name.lastIndexOf('.') + 1);
      assert.match(example, new RegExp(`^ *(?:# (?:[a-z_0-9]+\\.)*)?${last}:`, 'm'), name);
    }
  });

  test('the reference has every key that is or was one', () => {
    const reference = renderReference();
    for (const name of [...KEY_NAMES, ...REMOVED_NAMES]) {
      assert.ok(reference.includes(`\`${name}\``), name);
    }
  });
});
