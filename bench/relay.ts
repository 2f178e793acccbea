/**
 * What a relayed packet and an idle client cost: our relay against the official derper 1.102.3
 * in the same run, plain and with TLS. `../shared/tools/derpbench` is the load: it speaks
 * through the official client's own package. Without it, or without Go, there is nothing to measure.
 *
 *     node bench/relay.ts [seconds] [idle clients]
 *
 * Of packets a second that are more is better. On two cores the load generator is the bottleneck of
 * packets per second; CPU per packet is the honest figure.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '@malla/base/logger';
import { clamp } from '@malla/keys/x25519';
import { systemClock } from '@malla/platform/clock';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { http, https } from '@malla/platform/http/builtin';
import { DerpUpgrade } from '@malla/relay/http/upgrade';
import { directReadsWork } from '@malla/platform/link/direct-read';
import { RelayServer } from '@malla/relay/server';
import { createSelfSigned } from '@malla/platform/tls/self-signed';
import { bench, hasProgram, skip } from './report.ts';

const DERPBENCH = join(import.meta.dirname, '..', '..', 'shared', 'tools', 'derpbench');
const DERPER_VERSION = 'v1.102.3';
/** `-dev` has a port of its own. */
const DERPER_PORT = 3340;
const DERPER_TLS_PORT = 13_443;

interface Relay {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
  /** Environment of the load generator. */
  readonly env: Record<string, string>;
}

interface Measured {
  readonly rtt_p50_us: number;
  readonly relayed_pps: number;
  readonly lost_percent: number;
  readonly relay_cpu_us_per_packet: number;
  readonly idle_kb_per_client?: number;
}

const { positionals, report } = bench(import.meta.filename, {});
const [mode = '', ...rest] = positionals;
if (mode === 'serve') await serve(rest[0] === 'tls', rest[1] ?? '');
else await compare(Number(mode || 5), Number(rest[0] ?? 1000));

/** The child: a relay that says on stdout where it listens. */
async function serve(tls: boolean, certFile: string): Promise<void> {
  const relay = new RelayServer({
    key: importPrivate(clamp(randomBytes(32))),
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    clock: systemClock,
    log: silentLogger,
    admit: () => true,
    maxConnections: 100_000,
  });
  let server = http.createServer();
  if (tls) {
    const pair = await createSelfSigned('127.0.0.1');
    writeFileSync(certFile, pair.cert);
    server = https.createServer({ ...pair, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] });
  }
  const upgrade = new DerpUpgrade({ relay, directReads: await directReadsWork() });
  server.on('upgrade', (request, socket, head) => upgrade.onUpgrade(request, socket, head));
  server.listen(0, '127.0.0.1', () => {
    console.log((server.address() as AddressInfo).port);
  });
}

async function compare(seconds: number, idle: number): Promise<void> {
  if (!existsSync(DERPBENCH)) skip(`there is no load generator at ${DERPBENCH}`);
  if (!hasProgram('go', 'version'))
    skip('the load generator is built with Go, which is not installed');
  const dir = mkdtempSync(join(tmpdir(), 'malla-bench-relay-'));
  try {
    const derpbench = buildDerpbench(dir);
    const derper = buildDerper(dir);
    for (const tls of [false, true]) {
      const starts = [() => startDerper(derper, dir, tls), () => startOurs(dir, tls)];
      for (const pairs of [1, 50]) {
        const load = ['-pairs', `${pairs}`, '-d', `${seconds}s`];
        note(`${pairs} pairs`, await measureEach(derpbench, starts, load));
      }
      const load = ['-pairs', '1', '-d', '1s', '-idle', `${idle}`];
      for (const [name, result] of await measureEach(derpbench, starts, load)) {
        report.add(`${idle} idle, ${name}`, 'KB', result.idle_kb_per_client ?? 0);
      }
    }
    report.finish();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One after the other, each in a process of its own; the first is what the others are held against. */
async function measureEach(
  program: string,
  starts: readonly (() => Promise<Relay>)[],
  load: readonly string[],
): Promise<Map<string, Measured>> {
  const results = new Map<string, Measured>();
  for (const start of starts) {
    const relay = await start();
    try {
      results.set(relay.name, await measure(program, relay, load));
    } finally {
      await stop(relay);
    }
  }
  return results;
}

function note(title: string, results: ReadonlyMap<string, Measured>): void {
  for (const [name, result] of results) {
    const { idle_kb_per_client: _, ...figures } = result;
    report.addFields(`${title}, ${name}`, figures);
  }
}

async function measure(program: string, relay: Relay, args: readonly string[]): Promise<Measured> {
  const child = spawn(program, ['-url', relay.url, '-pid', `${relay.process.pid}`, ...args], {
    env: { ...process.env, ...relay.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  await once(child, 'close');
  return JSON.parse(out) as Measured;
}

async function startOurs(dir: string, tls: boolean): Promise<Relay> {
  const certFile = join(dir, 'cert.pem');
  const args = [import.meta.filename, 'serve', tls ? 'tls' : 'plain', certFile];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return relayOf('malla', child, Number(port), tls ? certFile : undefined);
}

async function startDerper(program: string, dir: string, tls: boolean): Promise<Relay> {
  const port = tls ? DERPER_TLS_PORT : DERPER_PORT;
  const args = tls
    ? ['-a', `127.0.0.1:${port}`, '-hostname=127.0.0.1', '-certmode=manual', '-http-port=-1']
    : ['-dev'];
  const child = spawn(
    program,
    [...args, `-certdir=${dir}`, '-stun=false', '-c', join(dir, 'derper.json')],
    { stdio: 'ignore' },
  );
  await untilOpen(port);
  return relayOf('derper', child, port, tls ? join(dir, '127.0.0.1.crt') : undefined);
}

function relayOf(
  program: string,
  child: ChildProcess,
  port: number,
  certFile: string | undefined,
): Relay {
  const tls = certFile !== undefined;
  return {
    name: `${program} ${tls ? 'tls' : 'plain'}`,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/derp`,
    process: child,
    env: tls ? { SSL_CERT_FILE: certFile } : {},
  };
}

async function untilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await sleep(100);
  }
  throw new Error(`nothing listens on port ${port}`);
}

async function stop({ process: child }: Relay): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** The tool is copied: nothing is built in its own folder. */
function buildDerpbench(dir: string): string {
  const source = join(dir, 'derpbench');
  mkdirSync(source);
  for (const file of ['go.mod', 'go.sum', 'main.go']) {
    writeFileSync(join(source, file), readFileSync(join(DERPBENCH, file)));
  }
  return build(source, '.', join(dir, 'derpbench.bin'));
}

function buildDerper(dir: string): string {
  const source = join(dir, 'derper');
  mkdirSync(source);
  writeFileSync(
    join(source, 'go.mod'),
    `module derper\n\ngo 1.26\n\nrequire tailscale.com ${DERPER_VERSION}\n`,
  );
  return build(source, 'tailscale.com/cmd/derper', join(dir, 'derper.bin'));
}

function build(cwd: string, what: string, out: string): string {
  const { status, stderr } = spawnSync('go', ['build', '-mod=mod', '-o', out, what], {
    cwd,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`go build ${what}: ${stderr}`);
  return out;
}
