/**
 * What an HTTP/2 connection costs that idles under one long response, and what it costs to write the
 * same 300 bytes to a thousand of them: `packages/http2` against node:http2, in memory, without sockets.
 * Each is measured in a process of its own.
 *
 *     node bench/http2.ts
 */
import { execFileSync } from 'node:child_process';
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { duplexPair, type Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { concat, utf8 } from '@malla/base/bytes';
import { Http2Connection } from '@malla/http2/connection';
import { Flag, FrameType } from '@malla/http2/frame';
import { CLIENT_PREFACE } from '@malla/http2/frame-reader';
import { data, frame, settings, windowUpdate } from '@malla/http2/testing/raw-client';
import { serveHttp2 } from '@malla/testkit/http2-driver';
import { bench } from './report.ts';

const CONNECTIONS = 1000;
/**
 * CPU time for which it is written before anything is measured, and while it is, ms: a hundred rounds of the engine are 40
 * when it is cold, three times what they are later.
 */
const WARM_UP_MS = 500;
const MEASURED_MS = 1_000;
const MESSAGE = new Uint8Array(300).fill(0x61);

/** What a Go client says before and with its long poll. It indexes fields, and its windows are large. */
const HELLO = concat([
  CLIENT_PREFACE,
  settings([2, 0], [4, 4 << 20], [6, 10 << 20]),
  windowUpdate(0, 1 << 30),
  frame(
    FrameType.headers,
    Flag.endHeaders,
    1,
    concat([
      Uint8Array.of(0x83, 0x87), // POST, https
      indexed(':authority', 'control.example.com'),
      indexed(':path', '/machine/map'),
      indexed('content-type', 'application/json'),
      indexed('content-length', '300'),
      indexed('accept-encoding', 'gzip'),
      indexed('user-agent', 'Go-http-client/2.0'),
    ]),
  ),
  data(1, MESSAGE, true),
]);

/** Opens a connection with a response begun; returns what writes to it. */
type Open = () => (bytes: Uint8Array) => void;

const VARIANTS: Record<string, Open> = {
  /** The engine alone, its output copied to one buffer that all connections share. */
  engine() {
    const connection: Http2Connection = new Http2Connection({
      onRequest: (stream) => connection.respond(stream, 200, []),
      onWritable() {},
      onStreamClosed() {},
      onPong() {},
      onOutput() {
        while (connection.takeOutput(record) > 0);
      },
      onClosed() {},
    });
    while (connection.takeOutput(record) > 0);
    connection.receive(HELLO, 0);
    return (bytes) => void connection.write(1, bytes);
  },
  /** The engine behind the same duplex stream that node:http2 is given. */
  'engine on a duplex'() {
    const [ours, theirs] = duplexPair();
    const connection = serveHttp2(ours, {
      request: (self, stream) => self.respond(stream, 200, []),
    });
    greet(theirs);
    return (bytes) => void connection.write(1, bytes);
  },
  'node:http2 on a duplex'() {
    const [ours, theirs] = duplexPair();
    let response: ServerHttp2Stream | undefined;
    performServerHandshake(ours).on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      response = stream;
    });
    greet(theirs);
    return (bytes) => void response?.write(bytes);
  },
};

const record = new Uint8Array(4077);

const { positionals, report } = bench(import.meta.filename, {});
const [variant] = positionals;
if (variant === undefined) {
  const flags = ['--expose-gc', '--max-semi-space-size=2', import.meta.filename];
  for (const name of Object.keys(VARIANTS)) {
    const told = execFileSync(process.execPath, [...flags, name], { encoding: 'utf8' });
    report.addFields(name, JSON.parse(told) as object);
  }
  report.finish();
} else {
  console.log(JSON.stringify(await measure(variant, VARIANTS[variant] ?? fail(variant))));
}

async function measure(name: string, open: Open): Promise<unknown> {
  for (let i = 0; i < 10; i++) open(); // loads and compiles what there is
  await settle();
  const before = process.memoryUsage();
  const writers: Array<(bytes: Uint8Array) => void> = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    writers.push(open());
    if (i % 50 === 0) await turn();
  }
  await settle();
  const after = process.memoryUsage();
  await broadcastFor(WARM_UP_MS, writers);
  const perWrite = await broadcastFor(MEASURED_MS, writers);
  return {
    variant: name,
    heapBytesPerConnection: perConnection(after.heapUsed - before.heapUsed),
    externalBytesPerConnection: perConnection(after.external - before.external),
    residentBytesPerConnection: perConnection(after.rss - before.rss),
    cpuMicrosecondsPerWrite: Number(perWrite.toFixed(3)),
  };
}

function perConnection(bytes: number): number {
  return Math.round(bytes / CONNECTIONS);
}

/** Writes to all until so much CPU time is used; microseconds of it for each write. */
async function broadcastFor(
  cpuMs: number,
  writers: ReadonlyArray<(bytes: Uint8Array) => void>,
): Promise<number> {
  const start = process.cpuUsage();
  for (let rounds = 1; ; rounds++) {
    await broadcast(writers);
    const { user, system } = process.cpuUsage(start);
    if (user + system >= cpuMs * 1_000) return (user + system) / (rounds * writers.length);
  }
}

async function broadcast(writers: ReadonlyArray<(bytes: Uint8Array) => void>): Promise<void> {
  for (const write of writers) write(MESSAGE);
  await turn();
  await turn();
}

/** Lets everything in flight arrive, and what is garbage go. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await turn();
    globalThis.gc?.();
  }
}

/** A field that the decoder is to keep in its table (RFC 7541 §6.2.1). */
function indexed(name: string, value: string): Uint8Array {
  const nameLength = Uint8Array.of(0x40, name.length);
  return concat([nameLength, utf8(name), Uint8Array.of(value.length), utf8(value)]);
}

function greet(client: Duplex): void {
  client.write(HELLO);
  client.resume();
}

function fail(name: string): never {
  throw new RangeError(`there is no variant "${name}"`);
}
