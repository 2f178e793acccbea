import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { ErrorCode, Flag, FrameType, SettingId } from './frame.ts';
import { CLIENT_PREFACE } from './frame-reader.ts';
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

const OCTETS = Uint8Array.from({ length: 8 }, (_, i) => i);

describe('a connection', () => {
  test('has its settings to send before it has received anything', () => {
    const client = new RawClient();
    assert.deepEqual(client.readLines(), ['SETTINGS']);
  });

  test('acknowledges settings and pings', () => {
    const client = new RawClient();
    client.read();
    client.send(CLIENT_PREFACE, settings([99, 1]), frame(FrameType.ping, 0, 0, OCTETS));
    assert.deepEqual(client.readLines(), ['SETTINGS ACK', 'PING ACK 0001020304050607']);
  });

  test('tells once that there is output, until all of it was taken', () => {
    const client = new RawClient().greet();
    const ping = frame(FrameType.ping, 0, 0, OCTETS);
    client.send(ping, ping);
    client.send(ping);
    assert.deepEqual(client.events, ['output']);
    assert.equal(client.read().length, 3);
    client.send(ping);
    assert.deepEqual(client.events, ['output', 'output']);
  });

  test('gives a request when it is complete, with all of its body', () => {
    const client = new RawClient().greet();
    client.send(headers(1, post('/machine/register'), false), data(1, utf8('one '), false));
    assert.equal(client.requests.length, 0);
    client.send(data(1, utf8('two'), true));
    const [given] = client.requests;
    assert.equal(given?.stream, 1);
    assert.equal(given?.request.path, '/machine/register');
    assert.deepEqual(given?.request.body, utf8('one two'));
  });

  test('gives a GET its body, too', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get('/machine/tka/bootstrap'), false), data(1, utf8('{}'), true));
    assert.deepEqual(client.requests[0]?.request.body, utf8('{}'));
  });

  test('joins header blocks, drops padding and ignores priority', () => {
    const client = new RawClient().greet();
    const block = headers(1, post(), false).subarray(9);
    const padded = Uint8Array.of(3, 0x80, 0, 0, 0, 200, ...block.subarray(0, 4), 0, 0, 0);
    client.send(
      frame(FrameType.headers, Flag.padded | Flag.priority, 1, padded),
      frame(FrameType.continuation, 0, 1, block.subarray(4, 9)),
      frame(FrameType.continuation, Flag.endHeaders, 1, block.subarray(9)),
      frame(FrameType.data, Flag.padded, 1, Uint8Array.of(2, 65, 66, 0, 0)),
      frame(FrameType.data, Flag.padded | Flag.endStream, 1, Uint8Array.of(0)),
    );
    assert.deepEqual(client.requests[0]?.request.body, utf8('AB'));
  });

  test('answers a whole response with its length', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true));
    client.connection.respond(1, 200, [['content-type', 'text/plain']], utf8('hello'));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=200 content-type=text/plain content-length=5',
      'DATA 1 5 END',
    ]);
    assert.deepEqual(client.events, ['output', 'closed 1 done']);
    assert.equal(client.connection.openStreams, 0);
  });

  test('answers without a body in one frame', () => {
    const client = new RawClient().greet();
    client.send(
      headers(1, get(), true),
      headers(3, [[':method', 'HEAD'], ...get().slice(1)], true),
    );
    client.connection.respond(1, 204, [], new Uint8Array(0));
    client.connection.respond(3, 200, [], utf8('hello'));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=204 END',
      'HEADERS 3 :status=200 content-length=5 END',
    ]);
  });

  test('drops what is streamed in answer to HEAD', () => {
    const client = new RawClient().greet();
    client.send(headers(1, [[':method', 'HEAD'], ...get().slice(1)], true));
    client.connection.respond(1, 200, []);
    assert.equal(client.connection.write(1, utf8('body')), true);
    client.connection.end(1);
    assert.deepEqual(client.readLines(), ['HEADERS 1 :status=200', 'DATA 1 0 END']);
  });

  test('streams a response, piece by piece', () => {
    const client = new RawClient().greet();
    client.send(headers(1, post(), true));
    client.connection.respond(1, 200, []);
    assert.deepEqual(client.readLines(), ['HEADERS 1 :status=200']);
    assert.equal(client.connection.write(1, utf8('one'), utf8('two!')), true);
    assert.deepEqual(client.readLines(), ['DATA 1 7']);
    assert.equal(client.connection.write(1, utf8('three')), true);
    client.connection.end(1);
    assert.deepEqual(client.readLines(), ['DATA 1 5 END']);
    assert.deepEqual(client.events.slice(-1), ['closed 1 done']);
  });

  test('ends a response with an empty frame when nothing waits', () => {
    const client = new RawClient().greet();
    client.send(headers(1, post(), true));
    client.connection.respond(1, 200, []);
    client.read();
    client.connection.end(1);
    assert.deepEqual(client.readLines(), ['DATA 1 0 END']);
  });

  test('lets streams take turns', () => {
    const client = new RawClient().greet();
    for (const id of [1, 3, 5]) {
      client.send(headers(id, get(), true));
      client.connection.respond(id, 200, [], new Uint8Array(10_000));
    }
    const order = client.readLines().filter((line) => line.startsWith('DATA'));
    assert.match(order.map((line) => line.split(' ')[1]).join(' '), /^1 3 5 1 3 5 /);
  });

  test('sends no more than the windows allow, of the stream and of the connection', () => {
    const client = new RawClient().greet([SettingId.initialWindowSize, 50_000]);
    for (const id of [1, 3]) {
      client.send(headers(id, get(), true));
      client.connection.respond(id, 200, [], new Uint8Array(60_000));
    }
    assert.equal(dataBytes(client), 65_535);
    client.send(windowUpdate(0, 100_000));
    assert.equal(dataBytes(client), 100_000 - 65_535);
    client.send(windowUpdate(1, 5_000));
    assert.equal(dataBytes(client), 5_000);
    client.send(windowUpdate(1, 5_000), windowUpdate(3, 10_000));
    assert.equal(dataBytes(client), 15_000);
    assert.deepEqual(client.events.filter((event) => event !== 'output').toSorted(), [
      'closed 1 done',
      'closed 3 done',
    ]);
  });

  test('lets settings make a window negative, and waits until it is positive again', () => {
    const client = new RawClient().greet([SettingId.initialWindowSize, 1000]);
    client.send(headers(1, get(), true));
    client.connection.respond(1, 200, [], new Uint8Array(1500));
    assert.equal(dataBytes(client), 1000);
    client.send(settings([SettingId.initialWindowSize, 10]), windowUpdate(1, 990));
    assert.equal(dataBytes(client), 0);
    client.send(windowUpdate(1, 5));
    assert.equal(dataBytes(client), 5);
    client.send(settings([SettingId.initialWindowSize, 20_000]));
    assert.equal(dataBytes(client), 495);
  });

  test('ends a stream though the windows are shut', () => {
    const client = new RawClient().greet([SettingId.initialWindowSize, 3]);
    client.send(headers(1, get(), true));
    client.connection.respond(1, 200, []);
    client.connection.write(1, utf8('abc'));
    client.read();
    client.connection.end(1);
    assert.deepEqual(client.readLines(), ['DATA 1 0 END']);
  });

  test('gives window back as it gathers a body', () => {
    const client = new RawClient().greet();
    client.send(headers(1, post(), false));
    for (let i = 0; i < 3; i++) client.send(data(1, new Uint8Array(16_000), false));
    assert.deepEqual(client.readLines(), ['WINDOW_UPDATE 0 48000', 'WINDOW_UPDATE 1 48000']);
  });

  test('drops what waits on a stream that either side resets', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true), headers(3, get(), true));
    for (const id of [1, 3]) {
      client.connection.respond(id, 200, []);
      client.connection.write(id, new Uint8Array(1000));
    }
    client.connection.reset(1, ErrorCode.internalError);
    client.send(cancel(3));
    assert.deepEqual(client.readLines(), [
      'HEADERS 1 :status=200',
      'HEADERS 3 :status=200',
      'RST_STREAM 1 2',
    ]);
    assert.deepEqual(client.events.slice(1), ['closed 1 reset', 'closed 3 reset-by-peer']);
  });

  test('does nothing for a stream that is over', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true), cancel(1));
    client.connection.respond(1, 200, [], utf8('late'));
    assert.equal(client.connection.write(1, utf8('late')), false);
    client.connection.end(1);
    client.connection.reset(1, ErrorCode.cancel);
    assert.deepEqual(client.read(), []);
  });

  test('ignores late frames on a stream that it has reset, and counts them', () => {
    const client = new RawClient().greet();
    client.send(headers(1, post('/', ['X', 'y']), false));
    assert.deepEqual(client.readLines(), ['RST_STREAM 1 1']);
    client.send(data(1, new Uint8Array(16_000), false), windowUpdate(1, 5000), cancel(1));
    client.send(data(1, new Uint8Array(16_384), false), data(1, new Uint8Array(400), true));
    client.send(headers(1, [['x-trailer', '1']], true));
    assert.deepEqual(client.readLines(), ['WINDOW_UPDATE 0 32784']);
    assert.equal(client.connection.closed, false);
  });

  test('asks for a sign of life and tells of it, once', () => {
    const client = new RawClient().greet();
    client.connection.ping();
    client.connection.ping();
    assert.deepEqual(client.readLines(), ['PING 0000000000000000']);
    const pong = frame(FrameType.ping, Flag.ack, 0, new Uint8Array(8));
    client.send(pong, pong);
    assert.deepEqual(client.events, ['output', 'pong']);
  });

  test('leaves when the requests in progress are answered, and refuses new ones', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true));
    client.connection.goAway(ErrorCode.noError, 'restarting');
    client.send(headers(3, get(), true));
    assert.deepEqual(client.readLines(), ['GOAWAY 1 0 restarting', 'RST_STREAM 3 7']);
    client.connection.respond(1, 200, [], utf8('last'));
    assert.equal(client.connection.closed, false);
    client.read();
    assert.equal(client.connection.closed, true);
    assert.deepEqual(client.events.slice(-2), ['closed 1 done', 'end 0 restarting']);
  });

  test('ends its streams with the connection, and then takes no input', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true), headers(3, post(), false));
    client.connection.goAway(ErrorCode.internalError, 'a bug');
    assert.deepEqual(client.events, ['closed 1 connection-closed', 'end 2 a bug', 'output']);
    client.send(headers(5, get(), true));
    assert.deepEqual(client.readLines(), ['GOAWAY 3 2 a bug']);
    assert.equal(client.requests.length, 1);
  });

  test('has nothing to send once the transport is gone', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true), frame(FrameType.ping, 0, 0, OCTETS));
    client.connection.transportClosed();
    client.connection.transportClosed();
    assert.deepEqual(client.read(), []);
    assert.deepEqual(client.events.slice(1), [
      'closed 1 connection-closed',
      'end 0 transport closed',
    ]);
  });

  test('says since when it waits for the rest of something', () => {
    const client = new RawClient();
    const since = (now: number, ...bytes: Uint8Array[]): number | undefined => {
      client.now = now;
      client.send(...bytes);
      return client.connection.waitingSince;
    };
    const head = headers(3, post(), false);
    assert.deepEqual(
      [
        client.connection.waitingSince,
        since(1, CLIENT_PREFACE.subarray(0, 9)),
        since(2, CLIENT_PREFACE.subarray(9)),
        since(3, settings(), headers(1, get(), true)),
        since(4, head.subarray(0, 12)),
        since(5, head.subarray(12)),
        since(6, data(3, OCTETS, false)),
        since(7, data(3, OCTETS, true)),
        since(8, frame(FrameType.headers, 0, 5)),
        since(9, frame(FrameType.continuation, 0, 5)),
      ],
      [undefined, 1, undefined, undefined, 4, 5, 5, undefined, 8, 8],
    );
  });

  test('throws on mistakes of its own side', () => {
    const client = new RawClient().greet();
    client.send(headers(1, get(), true));
    const { connection } = client;
    assert.throws(() => connection.write(1, OCTETS), /no open response/);
    assert.throws(() => connection.respond(1, 200, [['X-Upper', '']]), /bad-name/);
    assert.throws(() => connection.respond(1, 200, [['x', 'a\nb']]), /bad-value/);
    connection.respond(1, 200, [], OCTETS);
    assert.throws(() => connection.respond(1, 200, []), /cannot begin/);
    assert.throws(() => connection.end(1), /no open response/);
    assert.throws(() => connection.takeOutput(new Uint8Array(100)), /at least 265/);
  });
});

const BAD_FRAMES: Array<[what: string, code: keyof typeof ErrorCode, ...frames: Uint8Array[]]> = [
  ['PUSH_PROMISE', 'protocolError', frame(FrameType.pushPromise, 4, 1, OCTETS)],
  ['CONTINUATION alone', 'protocolError', frame(FrameType.continuation, 4, 1, OCTETS)],
  ['a block interrupted', 'protocolError', frame(1, 0, 1), frame(FrameType.ping, 0, 0, OCTETS)],
  ['a block of another stream', 'protocolError', frame(1, 0, 1), frame(9, 4, 3)],
  ['HEADERS on stream 0', 'protocolError', headers(0, get(), true)],
  ['HEADERS on an even stream', 'protocolError', headers(2, get(), true)],
  [
    'HEADERS of an earlier stream',
    'protocolError',
    headers(5, get(), true),
    headers(3, get(), true),
  ],
  ['padding longer than HEADERS', 'protocolError', frame(1, 4 | 8, 1, Uint8Array.of(9, 0x82))],
  [
    'padding longer than DATA',
    'protocolError',
    headers(1, post(), false),
    frame(0, 8, 1, OCTETS.slice(7)),
  ],
  ['DATA on stream 0', 'protocolError', data(0, OCTETS, false)],
  ['DATA on an idle stream', 'protocolError', data(1, OCTETS, false)],
  ['RST_STREAM on an idle stream', 'protocolError', cancel(1)],
  ['RST_STREAM of 8 bytes', 'frameSizeError', frame(FrameType.rstStream, 0, 1, OCTETS)],
  ['WINDOW_UPDATE on an idle stream', 'protocolError', windowUpdate(1, 1)],
  ['WINDOW_UPDATE of 8 bytes', 'frameSizeError', frame(FrameType.windowUpdate, 0, 0, OCTETS)],
  ['WINDOW_UPDATE by 0', 'protocolError', windowUpdate(0, 0)],
  ['a connection window of 2^31', 'flowControlError', windowUpdate(0, 2 ** 31 - 65_535)],
  ['PING on a stream', 'protocolError', frame(FrameType.ping, 0, 1, OCTETS)],
  ['PING of 7 bytes', 'frameSizeError', frame(FrameType.ping, 0, 0, OCTETS.slice(1))],
  ['SETTINGS on a stream', 'protocolError', frame(FrameType.settings, 0, 1)],
  ['SETTINGS of 8 bytes', 'frameSizeError', frame(FrameType.settings, 0, 0, OCTETS)],
  ['an acknowledgement of 8 bytes', 'frameSizeError', frame(FrameType.settings, 1, 0, OCTETS)],
  ['ENABLE_PUSH of 2', 'protocolError', settings([SettingId.enablePush, 2])],
  ['MAX_FRAME_SIZE of 16,383', 'protocolError', settings([SettingId.maxFrameSize, 16_383])],
  ['MAX_FRAME_SIZE of 2^24', 'protocolError', settings([SettingId.maxFrameSize, 2 ** 24])],
  [
    'a window setting of 2^31',
    'flowControlError',
    settings([SettingId.initialWindowSize, 2 ** 31]),
  ],
  ['GOAWAY on a stream', 'protocolError', frame(FrameType.goAway, 0, 1, OCTETS)],
  ['GOAWAY of 7 bytes', 'frameSizeError', frame(FrameType.goAway, 0, 0, OCTETS.slice(1))],
  ['PRIORITY on stream 0', 'protocolError', frame(FrameType.priority, 0, 0, OCTETS.slice(3))],
  ['an unknown frame of 16,385 bytes', 'frameSizeError', frame(77, 0, 0, new Uint8Array(16_385))],
  ['a header block that is no HPACK', 'compressionError', frame(1, 4, 1, Uint8Array.of(0xff))],
  [
    'settings that overflow a window in use',
    'flowControlError',
    headers(1, get(), true),
    windowUpdate(1, 2 ** 31 - 1 - 65_535),
    settings([SettingId.initialWindowSize, 65_536]),
  ],
];

const BAD_STREAMS: Array<[what: string, code: keyof typeof ErrorCode, ...frames: Uint8Array[]]> = [
  ['a malformed request', 'protocolError', headers(1, get('no-slash'), true)],
  [
    'a request that depends on itself',
    'protocolError',
    frame(1, 4 | 32, 1, Uint8Array.of(0, 0, 0, 1, 9, 0x82)),
  ],
  ['DATA after the end', 'streamClosed', headers(1, get(), true), data(1, OCTETS, true)],
  ['HEADERS after the end', 'streamClosed', headers(1, get(), true), headers(1, [], true)],
  [
    'trailers that do not end it',
    'protocolError',
    headers(1, post(), false),
    headers(1, [['a', '']], false),
  ],
  [
    'pseudo headers in trailers',
    'protocolError',
    headers(1, post(), false),
    headers(1, get(), true),
  ],
  [
    'a body longer than its length',
    'protocolError',
    headers(1, post('/', ['content-length', '7']), false),
    data(1, OCTETS, false),
  ],
  [
    'a body shorter than its length',
    'protocolError',
    headers(1, post('/', ['content-length', '9']), false),
    data(1, OCTETS, true),
  ],
  [
    'no body though it has a length',
    'protocolError',
    headers(1, post('/', ['content-length', '1']), true),
  ],
  ['WINDOW_UPDATE by 0 on it', 'protocolError', headers(1, get(), true), windowUpdate(1, 0)],
  [
    'a window of 2^31 on it',
    'flowControlError',
    headers(1, get(), true),
    windowUpdate(1, 2 ** 31 - 65_535),
  ],
  ['PRIORITY of 8 bytes on it', 'frameSizeError', headers(1, get(), true), frame(2, 0, 1, OCTETS)],
];

describe('a connection error', () => {
  for (const [what, code, ...frames] of BAD_FRAMES) {
    test(`is ${what}`, () => {
      const client = new RawClient().greet();
      client.send(...frames);
      assert.equal(client.connection.closed, true);
      assert.match(client.readLines().at(-1) ?? '', new RegExp(`^GOAWAY \\d ${ErrorCode[code]} `));
    });
  }

  for (const [what, first] of [
    ['no preface', settings()],
    ['no settings after the preface', frame(FrameType.ping, 0, 0, OCTETS)],
    ['an acknowledgement before settings', frame(FrameType.settings, Flag.ack, 0)],
  ] as const) {
    test(`is ${what}`, () => {
      const client = new RawClient();
      client.read();
      if (what !== 'no preface') client.send(CLIENT_PREFACE);
      client.send(first);
      assert.match(client.readLines().join(), /^GOAWAY 0 1 /);
    });
  }
});

describe('a stream error', () => {
  for (const [what, code, ...frames] of BAD_STREAMS) {
    test(`is ${what}`, () => {
      const client = new RawClient().greet();
      client.send(...frames, headers(3, get(), true));
      assert.deepEqual(client.readLines(), [`RST_STREAM 1 ${ErrorCode[code]}`]);
      assert.equal(client.connection.openStreams, 1);
      assert.equal(client.requests.at(-1)?.stream, 3);
    });
  }
});

function dataBytes(client: RawClient): number {
  let bytes = 0;
  for (const { type, payload } of client.read())
    if (type === FrameType.data) bytes += payload.length;
  return bytes;
}
