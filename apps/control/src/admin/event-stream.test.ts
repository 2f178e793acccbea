import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8 } from '@malla/base/bytes';
import { silentLogger } from '@malla/base/logger';
import { TailnetEvents } from '../events.ts';
import { created, node, user } from '../store/sample-rows.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import { EventStreams } from './event-stream.ts';

interface Watched {
  readonly events: TailnetEvents;
  readonly streams: EventStreams;
  readonly time: VirtualTime;
  /** What the next piece of the stream says. */
  readonly next: () => Promise<string | undefined>;
  readonly response: Response;
}

function watch(isAllowed: () => boolean = () => true): Watched {
  const events = new TailnetEvents(silentLogger);
  const time = new VirtualTime();
  const streams = new EventStreams({ events, after: time.after });
  const response = streams.begin(isAllowed);
  const reader = response.body?.getReader();
  return {
    events,
    streams,
    time,
    response,
    next: async () => {
      const read = await reader?.read();
      return read?.value && fromUtf8(read.value);
    },
  };
}

describe('a stream of events', () => {
  test('says at once that it is there, and then what happens, without what devices say of themselves', async () => {
    const { events, next, response } = watch();
    assert.match(response.headers.get('Content-Type') ?? '', /^text\/event-stream/);
    assert.equal(await next(), ':\n\n');
    events.tell({ kind: 'rows', changes: [created('user', user(1)), created('node', node(2))] });
    events.tell({ kind: 'presence', event: { kind: 'turned', id: 2, online: true } });
    events.tell({ kind: 'login', event: { state: 'registered', id: 'hskey-authreq-x' } });
    assert.equal(await next(), 'event: row\ndata: {"table":"user","id":"1","deleted":false}\n\n');
    assert.equal(await next(), 'event: row\ndata: {"table":"node","id":"2","deleted":false}\n\n');
    assert.equal(await next(), 'event: presence\ndata: {"nodeId":"2","online":true}\n\n');
    assert.equal(
      await next(),
      'event: login\ndata: {"authId":"hskey-authreq-x","state":"registered"}\n\n',
    );
  });

  test('that has nothing to say says so before proxies lose patience', async () => {
    const { time, next } = watch();
    await next();
    time.advance(59_000);
    assert.equal(await next(), ':\n\n');
  });

  test('ends where its reader is too slow, and leaves nothing behind', () => {
    const { events, streams, time } = watch();
    const changes = Array.from({ length: 10_000 }, (_, i) => created('user', user(i + 1)));
    events.tell({ kind: 'rows', changes });
    assert.equal(streams.open, 0);
    assert.equal(time.pending, 0);
  });

  test('ends when its API key is no longer good, and tells it nothing more', async () => {
    let allowed = true;
    const { events, streams, next } = watch(() => allowed);
    await next();
    allowed = false;
    events.tell({ kind: 'policy' });
    assert.equal(streams.open, 0);
    assert.equal(await next(), undefined);
  });

  test('is refused where too many watch, and there is room again when one leaves', async () => {
    const { streams, response } = watch();
    const others = Array.from({ length: 99 }, () => streams.begin(() => true));
    assert.throws(() => streams.begin(() => true), /others watch already/);
    await others[0]?.body?.cancel();
    assert.equal(streams.begin(() => true).status, 200);
    assert.equal(response.status, 200);
  });
});
