import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Flag, FrameType, SettingId } from './frame.ts';
import { encodeHeaders } from './hpack/encoder.ts';
import type { Field } from './hpack/field.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { RequestHead } from './request.ts';
import {
  cancel,
  data,
  frame,
  get,
  headers,
  post,
  RawClient,
  settings,
  windowUpdate,
} from './testing/raw-client.ts';

const CALM = /^GOAWAY \d+ 11 /;
const OCTETS = new Uint8Array(8);

describe('bounds on requests', () => {
  test('refuse a stream too many, which is not an error', () => {
    const client = new RawClient({ concurrentStreams: 2 }).greet();
    client.send(...[1, 3, 5].map((id) => headers(id, get(), true)));
    assert.deepEqual(client.readLines(), ['RST_STREAM 5 7']);
    client.send(cancel(1), headers(7, get(), true));
    assert.deepEqual(client.readLines(), []);
    assert.equal(client.connection.openStreams, 2);
  });

  test('answer 431 to a header list too long, without a body to follow', () => {
    const client = new RawClient({ headerListBytes: 500 }).greet();
    const long = get('/', ['x', 'v'.repeat(500)]);
    client.send(headers(1, long, true), headers(3, long, false), data(3, OCTETS, true));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=431 END',
      'HEADERS 3 :status=431 END',
      'RST_STREAM 3 0',
    ]);
    assert.deepEqual([client.requests.length, client.events], [0, ['output']]);
  });

  test('answer 413 to a body too long, at once if it is announced', () => {
    const client = new RawClient({ bodyBytes: 10 }).greet();
    client.send(headers(1, post('/', ['content-length', '11']), false));
    client.send(headers(3, post(), false), data(3, OCTETS, false), data(3, OCTETS, false));
    client.send(headers(5, post(), false), data(5, new Uint8Array(11), true));
    client.send(headers(7, post(), false), data(7, new Uint8Array(10), true));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=413 END',
      'RST_STREAM 1 0',
      'HEADERS 3 :status=413 END',
      'RST_STREAM 3 0',
      'HEADERS 5 :status=413 END',
    ]);
    assert.deepEqual(
      client.requests.map(({ stream }) => stream),
      [7],
    );
  });

  test('answer 413 to a body longer than its request may have, as the handler says', () => {
    const handler = { bodyLimit: ({ path }: RequestHead) => (path === '/a' ? 10 : 1e9) };
    const client = new RawClient({ bodyBytes: 20 }, handler).greet();
    client.send(headers(1, post('/a', ['content-length', '11']), false));
    client.send(headers(3, post('/a'), false), data(3, new Uint8Array(11), true));
    client.send(headers(5, post('/b'), false), data(5, new Uint8Array(21), true));
    client.send(headers(7, post('/a'), false), data(7, new Uint8Array(10), true));
    client.send(headers(9, post('/b'), false), data(9, new Uint8Array(20), true));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=413 END',
      'RST_STREAM 1 0',
      'HEADERS 3 :status=413 END',
      'HEADERS 5 :status=413 END',
    ]);
    assert.deepEqual(
      client.requests.map(({ stream }) => stream),
      [7, 9],
    );
  });

  test('answer 501 to CONNECT', () => {
    const client = new RawClient().greet();
    const fields: Field[] = [
      [':method', 'CONNECT'],
      [':authority', 'elsewhere:22'],
    ];
    client.send(headers(1, fields, false));
    assert.deepEqual(client.readLines(), ['HEADERS 1 :status=501 END', 'RST_STREAM 1 0']);
  });

  test('refuse what incomplete requests have in common too much of, headers included', () => {
    const client = new RawClient({ gatheredBytes: 900 }).greet();
    const part = new Uint8Array(300);
    client.send(headers(1, post(), false), headers(3, post(), false));
    client.send(data(1, part, false), data(3, part, false));
    assert.deepEqual(client.readLines(), ['RST_STREAM 3 7']);
    client.send(data(1, part, true));
    client.send(headers(5, post(), false), data(5, part, false), data(5, part, true));
    assert.deepEqual(client.readLines(), []);
    assert.deepEqual(
      client.requests.map(({ stream }) => stream),
      [1, 5],
    );
  });

  test('end a connection with too many CONTINUATION frames', () => {
    const client = new RawClient().greet();
    client.send(frame(FrameType.headers, 0, 1));
    for (let i = 0; i < DEFAULT_LIMITS.continuationFrames; i++) {
      client.send(frame(FrameType.continuation, 0, 1));
    }
    assert.equal(client.connection.closed, false);
    client.send(frame(FrameType.continuation, 0, 1));
    assert.match(client.readLines().join(), CALM);
  });

  test('end a connection with a header block longer than any list may be', () => {
    const client = new RawClient().greet();
    const block = encodeHeaders(get('/', ['x', 'v'.repeat(20_000)]), false);
    client.send(
      frame(FrameType.headers, 0, 1, block.subarray(0, 10_000)),
      frame(FrameType.continuation, 0, 1, block.subarray(10_000)),
    );
    assert.match(client.readLines().join(), CALM);
  });
});

describe('bounds on frames to no purpose', () => {
  const floods: Record<string, (i: number) => Uint8Array[]> = {
    pings: () => [frame(FrameType.ping, 0, 0, OCTETS)],
    'answers to pings': () => [frame(FrameType.ping, Flag.ack, 0, OCTETS)],
    settings: () => [settings()],
    'acknowledgements of settings': () => [frame(FrameType.settings, Flag.ack, 0)],
    priorities: () => [frame(FrameType.priority, 0, 3, Uint8Array.of(0, 0, 0, 1, 9))],
    'unknown frames': () => [frame(200, 0, 0)],
    'GOAWAY frames': () => [frame(FrameType.goAway, 0, 0, OCTETS)],
    'empty DATA': () => [data(1, OCTETS.subarray(8), false)],
    'DATA of padding only': () => [frame(FrameType.data, Flag.padded, 1, Uint8Array.of(2, 0, 0))],
    'tiny windows': () => [windowUpdate(0, 1)],
    'windows of closed streams': () => [windowUpdate(3, 5000)],
    'resets of closed streams': () => [cancel(3)],
    'requests cancelled': (i) => [headers(i * 2 + 5, get(), true), cancel(i * 2 + 5)],
    'requests that are malformed': (i) => [headers(i * 2 + 5, get('x'), true)],
    'requests that earn a reset': (i) => [
      headers(i * 2 + 5, get(), true),
      windowUpdate(i * 2 + 5, 0),
    ],
    'requests too large': (i) => [
      headers(i * 2 + 5, post('/', ['content-length', '9999999']), true),
    ],
  };

  for (const [what, make] of Object.entries(floods)) {
    test(`end a connection that is flooded with ${what}`, () => {
      const client = new RawClient().greet();
      client.send(headers(1, post(), false), headers(3, get(), true), cancel(3));
      let sent = 0;
      for (; sent < 2000 && !client.connection.closed; sent++) {
        client.send(...make(sent));
        client.read();
      }
      assert.ok(client.connection.closed && sent > 80, `${sent} sent`);
      assert.match(client.events.at(-1) ?? '', /too many frames to no purpose|^output$/);
    });
  }

  test('allow them at a moderate pace for ever', () => {
    const client = new RawClient().greet();
    for (let i = 0; i < 20_000; i++) {
      client.now += 100;
      client.send(headers(i * 2 + 1, get(), true), cancel(i * 2 + 1));
    }
    assert.equal(client.connection.closed, false);
  });

  test('do not mind a clock that is set back', () => {
    const client = new RawClient().greet();
    client.now = 1e12;
    client.send(settings());
    client.now = 0;
    client.send(settings());
    assert.equal(client.connection.closed, false);
  });

  test('end a connection that provokes answers and does not read them', () => {
    const client = new RawClient({ nuisanceBurst: 1e9 }).greet();
    let sent = 0;
    for (; sent < 100_000 && !client.connection.closed; sent++) {
      client.send(frame(FrameType.ping, 0, 0, OCTETS));
    }
    assert.ok(sent < 4000);
    assert.match(client.readLines().at(-1) ?? '', CALM);
  });

  test('forget the oldest of many streams that were reset', () => {
    const client = new RawClient().greet();
    for (let id = 1; id <= 101; id += 2) client.send(headers(id, get('x'), false));
    client.read();
    client.send(data(101, OCTETS, true));
    assert.deepEqual(client.readLines(), []);
    client.send(data(1, OCTETS, true));
    assert.deepEqual(client.readLines(), ['RST_STREAM 1 5']);
  });
});

describe('bounds on output', () => {
  test('ask a writer to wait, tell it when to go on, and stop one that does not wait', () => {
    const { client, id } = streaming({ streamOutputBytes: 1000 });
    const { connection } = client;
    assert.equal(connection.write(id, new Uint8Array(999)), true);
    assert.equal(connection.write(id, new Uint8Array(1)), false);
    client.send(windowUpdate(id, 499));
    client.read();
    assert.deepEqual(client.events, ['output']);
    client.send(windowUpdate(id, 1));
    client.read();
    assert.deepEqual(client.events, ['output', 'output', `writable ${id}`]);
    client.events.length = 0;
    for (let i = 0; i < 3; i++) assert.equal(connection.write(id, new Uint8Array(500)), false);
    assert.equal(connection.write(id, new Uint8Array(500)), false);
    assert.deepEqual(client.readLines(), [`RST_STREAM ${id} 11`]);
    assert.deepEqual(client.events, [`closed ${id} reset`, 'output']);
  });

  test('take one write of any size', () => {
    const { client, id } = streaming({ streamOutputBytes: 1000, outputBytes: 1000 });
    assert.equal(client.connection.write(id, new Uint8Array(3_000_000)), false);
    client.send(windowUpdate(0, 3_000_000), windowUpdate(id, 3_000_000));
    client.read();
    assert.deepEqual(client.events, ['output', `writable ${id}`]);
  });

  test('hold for all streams together, and tell writers when a neighbour is gone', () => {
    const { client } = streaming({ outputBytes: 1000 });
    const { connection } = client;
    client.send(headers(3, get(), true), headers(5, get(), true));
    connection.respond(3, 200, []);
    client.read();
    assert.equal(connection.write(1, new Uint8Array(1000)), false);
    assert.equal(connection.write(3, new Uint8Array(400)), false);
    client.events.length = 0;
    client.send(cancel(1));
    assert.deepEqual(client.events, ['closed 1 reset-by-peer', 'writable 3']);
    connection.write(3, new Uint8Array(2000));
    connection.respond(5, 200, [], new Uint8Array(1));
    assert.deepEqual(client.readLines(), ['RST_STREAM 5 11']);
  });

  test('do not ask a writer to wait for what the driver takes at once', () => {
    const record = new Uint8Array(4077);
    const client = new RawClient(
      { streamOutputBytes: 1000 },
      {
        onOutput() {
          while (client.connection.takeOutput(record) > 0);
        },
      },
    ).greet();
    client.send(headers(1, get(), true));
    client.connection.respond(1, 200, []);
    for (let i = 0; i < 10; i++) {
      assert.equal(client.connection.write(1, new Uint8Array(5000)), true);
    }
  });

  test('keep no copy of what is written to many streams', () => {
    const piece = new Uint8Array(1 << 20);
    const clients = Array.from({ length: 200 }, () => streaming({}));
    const before = process.memoryUsage().arrayBuffers;
    for (const { client, id } of clients) client.connection.write(id, piece);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
  });
});

/** A client with a response begun on stream 1, all of whose windows are shut. */
function streaming(limits: ConstructorParameters<typeof RawClient>[0]): {
  client: RawClient;
  id: number;
} {
  const client = new RawClient(limits).greet([SettingId.initialWindowSize, 0]);
  client.send(headers(1, get(), true));
  client.connection.respond(1, 200, []);
  client.read();
  client.events.length = 0;
  return { client, id: 1 };
}

describe('what a peer makes us hold', () => {
  test('is counted: bodies, header blocks, frames and answers that it does not take', () => {
    const client = new RawClient().greet();
    const held = (): number => client.connection.heldBytes;
    assert.equal(held(), 0);
    client.send(headers(1, post(), false), data(1, new Uint8Array(5_000), false));
    const withBody = held();
    assert.ok(withBody >= 5_000 && withBody < 5_500, `${withBody}`);
    const half = data(1, new Uint8Array(3_000), true);
    client.send(half.subarray(0, 1_000));
    assert.equal(held(), withBody + 1_000);
    client.send(half.subarray(1_000));
    client.read();
    assert.equal(held(), 0);
    client.send(frame(FrameType.headers, 0, 3, new Uint8Array(700)));
    assert.equal(held(), 700);
  });

  test('is counted also of fields that it wants remembered, and of pings', () => {
    const client = new RawClient().greet();
    const indexed = Uint8Array.of(0x40, 1, 0x78, 100, ...new Uint8Array(100).fill(0x61));
    const block = Uint8Array.from([...encodeHeaders(get(), false), ...indexed]);
    client.send(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, block));
    const { connection } = client;
    assert.deepEqual([connection.tableBytes, connection.heldBytes], [32 + 1 + 100, 0]);
    for (let ping = 0; ping < 10; ping++) client.send(frame(FrameType.ping, 0, 0, OCTETS));
    assert.deepEqual([connection.tableBytes, connection.heldBytes], [133, 10 * (9 + 8)]);
    client.read();
    assert.equal(connection.heldBytes, 0);
  });
});
