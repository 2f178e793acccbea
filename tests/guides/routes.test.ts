/** docs/guide/routes.md, tried with official clients: one router that is also an exit node, and a traveller. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Host } from '../interop/lab.ts';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

const TAKES_EFFECT_MS = 30_000;

describe('the guide to routes', { skip: skipWithout(...VILLAGE_TOOLS, 'sysctl') }, () => {
  const guide = new Guide('docs/guide/routes.md');
  let village: Village;
  let router: Place;
  let laptop: Place;
  let printer: Host;

  before(async () => {
    village = await Village.start();
    const { lab, server } = village;
    const nat = lab.nat('nat', '198.51.100.21', '10.0.0.1', 'easy');
    printer = lab.hostBehind(nat, 'printer', '10.0.0.9');
    router = await village.deviceAt(lab.hostBehind(nat, 'router', '10.0.0.2'));
    // As every Linux has it.
    mkdirSync(join(router.host.dir, 'etc', 'sysctl.d'));
    laptop = await village.device('laptop');
    const key = await server.createKey(await server.createUser('ann'), '--reusable');
    for (const { newcomer } of [router, laptop]) {
      await newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
    }
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  function printerAnswers(): Promise<void> {
    return until('an answer of the printer', TAKES_EFFECT_MS, () =>
      laptop.client.reaches(printer.address),
    ).then(() => {});
  }

  test('offers, approves and uses them', async () => {
    await router.newcomer.types(guide.take('Offer', 'sh'));
    await village.server.untilNodes('an offer', TAKES_EFFECT_MS, ([first]) => {
      return first?.availableRoutes.includes('10.0.0.0/24') === true;
    });
    const listed = await village.newcomer.types(guide.take('Approve', 'sh'));
    assert.match(listed, /10\.0\.0\.0\/24/);
    await laptop.client.untilPeer('router', (peer) => peer?.PrimaryRoutes?.length === 1);
    await laptop.newcomer.types(guide.take('Use', 'sh'), { NAME: 'router' });
    await printerAnswers();
    assert.match(await laptop.newcomer.says('tailscale status'), /router .*; exit node/);
    await laptop.newcomer.says('tailscale set --exit-node=');
  });

  test('approves by the policy what was withdrawn, when the policy is put in force', async () => {
    await village.newcomer.says("malla nodes approve-routes --identifier 1 --routes ''");
    await laptop.client.untilPeer('router', (peer) => (peer?.PrimaryRoutes?.length ?? 0) === 0);
    const policy = `{
      "groups": { "group:ops": ["ann@"] },
      "tagOwners": { "tag:router": ["ann@"], "tag:exit": ["ann@"] },
      "acls": [{ "action": "accept", "src": ["*"], "dst": ["*:*"] }],
      ${guide.take('Approve', 'jsonc').text}
    }`;
    writeFileSync(join(village.server.host.dir, 'policy.hujson'), policy);
    await village.newcomer.says(`malla policy set -f ${village.server.host.dir}/policy.hujson`);
    await printerAnswers();
  });

  test('gives sites with the same addresses a prefix each', () =>
    village.newcomer.sees(guide.take('Sites with the same addresses', 'console')));

  test('shows nothing else', () => guide.assertAllTaken());
});
