import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { countingRandom } from '../testing/rows.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import { C2nExchanges } from './c2n.ts';

interface Ping {
  readonly URL: string;
  readonly URLIsNoise: boolean;
  readonly Types: string;
  readonly Payload: string;
}

class Subject {
  readonly time = new VirtualTime();
  readonly sent: { readonly node: number; readonly ping: Ping }[] = [];
  connected = true;
  readonly c2n = new C2nExchanges({
    random: countingRandom(),
    send: (node, member) => {
      const { PingRequest } = JSON.parse(`{${member}}`) as { PingRequest: Ping };
      if (this.connected) this.sent.push({ node, ping: PingRequest });
      return this.connected;
    },
    exists: (node) => node < 10,
    after: this.time.after,
  });

  /** The id that the client of the last ping answers to. */
  get id(): string {
    return this.sent.at(-1)?.ping.URL.split('/').at(-1) ?? '';
  }
}

describe('a request to a node', () => {
  test('travels as an HTTP/1.1 request in a ping, and its answer comes back as it is', async () => {
    const subject = new Subject();
    const answer = subject.c2n.request(1, 'POST', '/echo?a=b', 'größe');
    const [{ node, ping } = assert.fail()] = subject.sent;
    assert.equal(node, 1);
    assert.match(ping.URL, /^https:\/\/unused\/machine\/c2n\/[0-9a-f]{32}$/);
    assert.deepEqual([ping.URLIsNoise, ping.Types], [true, 'c2n']);
    assert.equal(
      fromUtf8(Uint8Array.fromBase64(ping.Payload)),
      'POST /echo?a=b HTTP/1.1\r\nHost: node\r\nContent-Length: 7\r\n\r\ngröße',
    );
    assert.equal(subject.c2n.answer(subject.id, new Set([1]), utf8('HTTP/1.1 200 OK')), true);
    assert.equal(fromUtf8(await answer), 'HTTP/1.1 200 OK');
    assert.equal(subject.time.pending, 0);
  });

  test('has a URL of its own each time: clients drop what they have seen', () => {
    const subject = new Subject();
    for (let i = 0; i < 3; i++) {
      void subject.c2n.request(1, 'GET', '/', '').catch(() => {});
    }
    assert.equal(new Set(subject.sent.map(({ ping }) => ping.URL)).size, 3);
  });

  test('can be answered by that node only, and once', async () => {
    const subject = new Subject();
    const answer = subject.c2n.request(1, 'GET', '/', '');
    assert.equal(subject.c2n.answer(subject.id, new Set([2]), utf8('forged')), false);
    assert.equal(subject.c2n.answer('00', new Set([1]), utf8('forged')), false);
    assert.equal(subject.c2n.answer(subject.id, new Set([2, 1]), utf8('true')), true);
    assert.equal(subject.c2n.answer(subject.id, new Set([1]), utf8('late')), false);
    assert.equal(fromUtf8(await answer), 'true');
  });

  test('ends with a timeout after 65 seconds', async () => {
    const subject = new Subject();
    const answer = subject.c2n.request(1, 'GET', '/', '');
    subject.time.advance(65_000);
    await assert.rejects(answer, { code: 'node.timeout' });
    assert.equal(subject.c2n.answer(subject.id, new Set([1]), utf8('late')), false);
  });

  test('says at once that the node does not exist or is not connected', async () => {
    const subject = new Subject();
    await assert.rejects(subject.c2n.request(99, 'GET', '/', ''), { code: 'node.not-found' });
    subject.connected = false;
    await assert.rejects(subject.c2n.request(1, 'GET', '/', ''), { code: 'node.offline' });
    assert.equal(subject.time.pending, 0);
  });

  test('cannot carry a second one in its method or path', async () => {
    const subject = new Subject();
    for (const [method, path] of [
      ['get', '/'],
      ['GET /x', '/'],
      ['GET', 'x'],
      ['GET', '/ HTTP/1.1\r\nX: y'],
      ['GET', '/\0'],
      ['GET', '/ä'],
      ['GET', `/${'x'.repeat(2_001)}`],
    ] as const) {
      const answer = subject.c2n.request(1, method, path, '');
      await assert.rejects(answer, { code: 'request.invalid' }, `${method} ${path}`);
    }
    assert.deepEqual(subject.sent, []);
  });

  test('is refused when too many are under way', async () => {
    const subject = new Subject();
    const answers = Array.from({ length: 1_025 }, () => subject.c2n.request(1, 'GET', '/', ''));
    await assert.rejects(answers.pop() ?? assert.fail(), { code: 'node.timeout' });
    subject.c2n.stop();
    for (const answer of answers) await assert.rejects(answer, { code: 'node.offline' });
    assert.equal(subject.time.pending, 0);
  });
});
