/**
 * SSH checks over real sockets, from the rule that a destination is sent to the session that opens, on
 * both HTTP/2s.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import type { MachineClient } from '@malla/testkit/machine-client';
import type { SshAction } from '@malla/wire/tailcfg/ssh-policy';
import { INNER_HTTP, TestServer } from './test-server.ts';

for (const [name, serveInner] of INNER_HTTP) {
  describe(`SSH checks over ${name}`, () => {
    let server: TestServer;
    let laptop: MachineClient;
    let cellar: MachineClient;
    before(async () => {
      server = await TestServer.start({ serveInner });
      const key = await server.key(await server.user('ann'));
      await setRules({ action: 'check', checkPeriod: '1h' });
      laptop = await server.join('laptop', key);
      cellar = await server.join('cellar', key);
    });
    after(() => server.stop());

    async function setRules(...rules: readonly object[]): Promise<void> {
      const usual = { src: ['ann@'], dst: ['autogroup:self'], users: ['root'] };
      const text = JSON.stringify({ ssh: rules.map((rule) => ({ ...usual, ...rule })) });
      const parsed = parsePolicy(text);
      assert.ok(parsed.ok, JSON.stringify(parsed));
      await server.control.tailnet.setPolicy(parsed.value);
    }

    /** What the destination does with an action: asks the next one. */
    async function next(
      { holdAndDelegate = '' }: SshAction,
      signal?: AbortSignal,
    ): Promise<SshAction> {
      const { pathname, search } = new URL(holdAndDelegate);
      const path = `${pathname}${search}`
        .replace('$SRC_NODE_ID', String(laptop.netmap.self?.['ID']))
        .replace('$DST_NODE_ID', String(cellar.netmap.self?.['ID']))
        .replace('$LOCAL_USER', 'root');
      const { status, body } = await cellar.request('GET', path, undefined, signal);
      assert.equal(status, 200, body);
      return JSON.parse(body) as SshAction;
    }

    /** The action of the rule that the destination was sent. */
    function first(): SshAction {
      const policy = cellar.netmap.sshPolicy;
      return policy?.rules[0]?.action ?? assert.fail('no SSH rule was sent');
    }

    test('a connection goes on when the page’s id is approved, and the next one at once', async () => {
      const told = await next(first());
      const id = idIn(told);
      const page = await fetch(`${server.url}/auth/${id}`);
      assert.match(
        await page.text(),
        /laptop<\/strong> \(ann\) wants to connect to\s<strong>cellar/,
      );
      const waiting = next(told);
      await server.control.tailnet.logins.approve(id);
      assert.equal((await waiting).accept, true);
      assert.equal((await next(first())).accept, true);
    });

    test('a destination that gives up and asks again hears the same outcome', async () => {
      await setRules({ action: 'check', checkPeriod: 'always' });
      const told = await next(first());
      const gone = new AbortController();
      const abandoned = next(told, gone.signal);
      gone.abort();
      await assert.rejects(abandoned);
      await server.control.tailnet.logins.reject(idIn(told));
      assert.equal((await next(told)).reject, true);
    });

    test('a connection that waits is refused when its rule goes', async () => {
      await setRules({ action: 'check', checkPeriod: 'always' });
      const told = await next(first());
      const waiting = next(told);
      await setRules();
      assert.equal((await waiting).reject, true);
    });
  });
}

function idIn({ holdAndDelegate = '' }: SshAction): string {
  return /auth_id=(hskey-authreq-[0-9a-f]{24})$/.exec(holdAndDelegate)?.[1] ?? assert.fail();
}
