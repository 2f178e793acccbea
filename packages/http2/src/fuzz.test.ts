/** No bytes make a connection throw, hold more than it may, or depend on how they were cut up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat } from '@malla/base/bytes';
import fc from 'fast-check';
import { Flag, FrameType, SettingId } from './frame.ts';
import { CLIENT_PREFACE } from './frame-reader.ts';
import type { Field } from './hpack/field.ts';
import type { Http2Limits } from './limits.ts';
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

/** Small, so that a short session can reach them. */
const LIMITS: Partial<Http2Limits> = {
  concurrentStreams: 4,
  headerListBytes: 600,
  continuationFrames: 3,
  bodyBytes: 200,
  gatheredBytes: 700,
  streamOutputBytes: 300,
  outputBytes: 500,
  controlBytes: 2000,
  nuisanceBurst: 300,
};

/** Makes a frame, given the highest stream so far. */
type Step = (last: number) => Uint8Array;

const bytes = fc.uint8Array({ maxLength: 120 });
const fields = fc.constantFrom<Field[]>(
  get('/stream'),
  get('/whole'),
  get('/reset'),
  get('/late'),
  post('/whole', ['content-length', '50']),
  get('/whole', ['x', 'v'.repeat(600)]),
  get('/whole', ['connection', 'close']),
  [[':method', 'HEAD'], ...get('/whole').slice(1)],
  [['x-trailer', '']],
);
/** How many streams before the latest one a frame's stream is. */
const back = fc.constantFrom(0, 0, 0, 1, 1, 2, 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.tuple(fields, fc.boolean()).map(
      ([list, end]): Step =>
        (last) =>
          headers(last + 2, list, end),
    ),
  },
  {
    weight: 30,
    arbitrary: fc.tuple(back, bytes, fc.boolean()).map(
      ([n, body, end]): Step =>
        (last) =>
          data(before(last, n), body, end),
    ),
  },
  {
    weight: 20,
    arbitrary: fc.tuple(back, fc.nat(300)).map(
      ([n, size]): Step =>
        (last) =>
          windowUpdate(before(last, n), size + 1),
    ),
  },
  {
    weight: 10,
    arbitrary: fc.nat(300).map(
      (size): Step =>
        () =>
          windowUpdate(0, size + 1),
    ),
  },
  {
    weight: 5,
    arbitrary: back.map(
      (n): Step =>
        (last) =>
          cancel(before(last, n)),
    ),
  },
  {
    weight: 3,
    arbitrary: fields.map(
      (list): Step =>
        (last) =>
          headers(last, list, true),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.nat(1000).map(
      (size): Step =>
        () =>
          settings([SettingId.initialWindowSize, size]),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Step>(
      () => frame(FrameType.settings, Flag.ack, 0),
      () => frame(FrameType.ping, 0, 0, new Uint8Array(8)),
      () => frame(200, 0, 0),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(12), fc.nat(255), fc.nat(12), bytes).map(
      ([type, flags, id, body]): Step =>
        () =>
          frame(type, flags, id, body),
    ),
  },
);
const session = fc.array(step, { maxLength: 60, size: 'max' }).map((steps) => {
  const hello = headers(1, get('/stream'), false);
  const parts = [CLIENT_PREFACE, settings([SettingId.initialWindowSize, 400]), hello];
  let last = 1;
  for (const make of steps) {
    const part = make(last);
    if (part[3] === FrameType.headers && part[8] === last + 2) last += 2;
    parts.push(part);
  }
  return concat(parts);
});
const mutation = fc.record({ at: fc.nat(), value: fc.nat(255), insert: fc.boolean() });
const mutated = fc
  .tuple(session, fc.array(mutation, { maxLength: 5 }))
  .map(([valid, mutations]) => {
    const mutant = [...valid];
    for (const { at, value, insert } of mutations) {
      mutant.splice(at % mutant.length, insert ? 0 : 1, value);
    }
    return Uint8Array.from(mutant);
  });
const input = fc.oneof(
  { weight: 3, arbitrary: mutated },
  { weight: 2, arbitrary: session },
  fc.uint8Array({ maxLength: 500 }).map((tail) => concat([CLIENT_PREFACE, settings(), tail])),
  fc.uint8Array(),
);
const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 100, size: 'max' });

describe('any bytes', () => {
  test('are taken without a throw, and give the same however they are cut up', () => {
    fc.assert(
      fc.property(input, cuts, (received, sizes) => {
        const whole = play([received]);
        const inParts = play(cut(received, sizes));
        assert.deepEqual(inParts, whole);
      }),
      { numRuns: 2000 },
    );
  });

  test('keep every bound, and tell of the end of every stream exactly once', () => {
    fc.assert(
      fc.property(input, cuts, fc.array(fc.boolean()), (received, sizes, reads) => {
        const client = fuzzed();
        for (const [i, chunk] of cut(received, sizes).entries()) {
          client.send(chunk);
          assert.ok(client.connection.openStreams <= (LIMITS.concurrentStreams ?? 0));
          if (reads[i] === true) client.read();
        }
        let left = 0;
        for (const { payload } of client.read()) left += payload.length;
        assert.ok(left < 2 * 500 + 1000 + 2000 + 100, `${left} bytes waited`);
        client.connection.transportClosed();
        const given = client.requests.map((request) => request.stream);
        const closed = client.events.flatMap((event) => /^closed (\d+)/.exec(event)?.[1] ?? []);
        assert.deepEqual(
          closed.map(Number).toSorted((a, b) => a - b),
          given.toSorted((a, b) => a - b),
        );
        assert.equal(client.events.filter((event) => event.startsWith('end ')).length, 1);
        for (const { request } of client.requests) assert.ok(request.body.length <= 200);
      }),
      { numRuns: 2000 },
    );
  });
});

/** The stream `n` before the latest one, or the first. */
function before(last: number, n: number): number {
  return Math.max(1, last - 2 * n);
}

/** What a connection told and sent for the chunks, when its output is only taken at the end. */
function play(chunks: readonly Uint8Array[]): unknown {
  const client = fuzzed();
  for (const chunk of chunks) client.send(chunk);
  const { requests, events } = client;
  return {
    requests,
    events: events.filter((event) => event !== 'output'),
    sent: client.readLines(),
  };
}

/** A client of a server that answers by the request's path. */
function fuzzed(): RawClient {
  const client: RawClient = new RawClient(LIMITS, {
    onRequest(id, request) {
      client.requests.push({ stream: id, request });
      const { connection } = client;
      if (request.path === '/whole') connection.respond(id, 200, [], new Uint8Array(250));
      if (request.path === '/reset') connection.reset(id, 2);
      if (request.path !== '/stream') return;
      connection.respond(id, 200, []);
      connection.write(id, new Uint8Array(100), new Uint8Array(300));
      if (request.body.length > 0) connection.end(id);
    },
    onWritable(id) {
      client.events.push(`writable ${id}`);
      client.connection.write(id, new Uint8Array(200));
    },
  });
  return client;
}

function cut(whole: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) chunks.push(whole.slice(at, (at += size)));
  return [...chunks, whole.slice(at)];
}
