/**
 * One look at the network at a time: asks relays by STUN from the socket that carries everything else, so
 * that what they see is what peers see. It ends when all have answered, soon after enough have, or when the
 * time is up; where nobody answers by UDP it asks for their latency by HTTPS.
 *
 * An answer counts by its transaction id, 12 random bytes, wherever it came from. Usable after every end;
 * a beginning while one goes on is that of another.
 *
 * Source: docs/protocol/disco.md §6, docs/protocol/stun.md.
 */
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';
import { parseAddress } from '@malla/ip/address';
import { type Endpoint, endpointOf } from '@malla/ip/endpoint';
import { decodeBindingResponse, encodeBindingRequest, TX_ID_BYTES } from '@malla/wire/stun/binding';
import type { DerpNode, DerpRegion } from '@malla/wire/tailcfg/derp-map';
import { measuredRegions, planProbes, type PlannedProbe, type Question } from './probe-plan.ts';
import type { NetReport } from './report.ts';

/** Where a question goes: to an address, or to what DNS has for a name. */
export type ProbeTarget =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint }
  | {
      readonly kind: 'name';
      readonly hostName: string;
      readonly family: 4 | 6;
      readonly port: number;
    };

export interface StunProbe {
  readonly to: ProbeTarget;
  readonly bytes: Uint8Array;
}

export type NetcheckEvent =
  /** Nobody answers by UDP: how long does `GET /derp/latency-check` of each region take? */
  | { readonly kind: 'measure-https'; readonly regions: readonly DerpRegion[] }
  /** The end. */
  | { readonly kind: 'report'; readonly report: NetReport };

/** How long answers by UDP are waited for, ms. */
export const STUN_MS = 3000;
/** How long a look may take in all, ms. */
export const REPORT_MS = 5000;
/** So many regions are enough to choose a home. */
const ENOUGH_REGIONS = 3;
/** What those that are further away have besides, ms and as a share of the slowest. */
const GRACE_MS = 50;
const GRACE_SHARE = 0.5;
const STUN_PORT = 3478;
/** Endpoints of one family that servers saw: of a NAT that gives another to each, the first few. */
const MAX_SEEN = 4;

interface Sent {
  readonly probe: PlannedProbe;
  readonly at: Instant;
}

interface Seen {
  readonly endpoint: Endpoint;
  count: number;
}

interface Look {
  readonly question: Question;
  readonly startedAt: Instant;
  readonly waiting: PlannedProbe[];
  readonly sent: Map<string, Sent>;
  readonly latency: { readonly 4: Map<number, number>; readonly 6: Map<number, number> };
  readonly https: Map<number, number>;
  readonly seen: { readonly 4: Map<string, Seen>; readonly 6: Map<string, Seen> };
  /** Names of the nodes that answered by IPv4. */
  readonly servers: Set<string>;
  phase: 'stun' | 'https';
  endAt: Instant;
}

export class Netcheck implements Engine<NetcheckEvent>, Transmitter<StunProbe> {
  readonly #random: RandomBytes;
  readonly #transmits: StunProbe[] = [];
  readonly #events: NetcheckEvent[] = [];
  #look: Look | undefined;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get isRunning(): boolean {
    return this.#look !== undefined;
  }

  /** Begins a look. */
  handleStart(question: Question, now: Instant): void {
    this.#look = {
      question,
      startedAt: now,
      waiting: planProbes(question),
      sent: new Map(),
      latency: { 4: new Map(), 6: new Map() },
      https: new Map(),
      seen: { 4: new Map(), 6: new Map() },
      servers: new Set(),
      phase: 'stun',
      endAt: now + STUN_MS,
    };
    this.handleTimeout(now);
  }

  /** Takes a datagram that looks like STUN; anything but an answer to a question of this look is ignored. */
  handleStun(bytes: Uint8Array, now: Instant): void {
    const look = this.#look;
    const answer = decodeBindingResponse(bytes);
    if (look === undefined || !answer.ok) return;
    const id = toHex(answer.value.txId);
    const sent = look.sent.get(id);
    if (sent === undefined) return;
    look.sent.delete(id);
    const { probe } = sent;
    // What we are seen at says which family it went by: a relay behind a translator has the other.
    const { family } = answer.value.address;
    keepLeast(look.latency[family], probe.region, now - sent.at);
    if (family === 4) look.servers.add(probe.node.Name);
    const seen = endpointOf(answer.value.address, answer.value.port);
    const known = look.seen[family].get(seen.text);
    if (known !== undefined) known.count++;
    else look.seen[family].set(seen.text, { endpoint: seen, count: 1 });
    this.#endWhenEnough(look, now);
  }

  /** How long a region took by HTTPS, as asked for by `measure-https`. */
  handleHttpsLatency(region: number, latencyMs: number): void {
    const look = this.#look;
    if (look?.phase !== 'https') return;
    keepLeast(look.https, region, latencyMs);
    const asked = measuredRegions(look.question.map, look.question.home);
    if (asked.every(({ RegionID }) => look.https.has(RegionID))) this.#finish(look);
  }

  handleTimeout(now: Instant): void {
    const look = this.#look;
    if (look === undefined) return;
    for (let [next] = look.waiting; next !== undefined; [next] = look.waiting) {
      if (look.startedAt + next.atMs > now) break;
      look.waiting.shift();
      if (isWanted(look, next)) this.#send(look, next, now);
    }
    if (now < look.endAt && (look.waiting.length > 0 || look.sent.size > 0)) return;
    if (look.phase === 'stun' && look.latency[4].size + look.latency[6].size === 0) {
      const regions = measuredRegions(look.question.map, look.question.home);
      if (regions.length > 0) {
        look.phase = 'https';
        look.endAt = look.startedAt + REPORT_MS;
        // Late answers still count.
        if (now < look.endAt) return void this.#events.push({ kind: 'measure-https', regions });
      }
    }
    if (look.phase === 'stun' || now >= look.endAt) this.#finish(look);
  }

  pollTimeout(): Instant | undefined {
    const look = this.#look;
    if (look === undefined) return undefined;
    const [next] = look.waiting;
    return next === undefined ? look.endAt : Math.min(look.endAt, look.startedAt + next.atMs);
  }

  /** The next question to be asked. */
  pollTransmit(): StunProbe | undefined {
    return this.#transmits.shift();
  }

  /** The report that waits among the events, before its turn. */
  takeReport(): NetReport | undefined {
    const at = this.#events.findIndex(({ kind }) => kind === 'report');
    const [event] = at === -1 ? [] : this.#events.splice(at, 1);
    return event?.kind === 'report' ? event.report : undefined;
  }

  pollEvent(): NetcheckEvent | undefined {
    return this.#events.shift();
  }

  #send(look: Look, probe: PlannedProbe, now: Instant): void {
    const to = targetOf(probe.node, probe.family);
    if (to === undefined) return;
    const id = this.#random(TX_ID_BYTES);
    look.sent.set(toHex(id), { probe, at: now });
    this.#transmits.push({ to, bytes: encodeBindingRequest(id) });
  }

  #endWhenEnough(look: Look, now: Instant): void {
    const { latency, waiting, sent } = look;
    if (look.phase === 'https') return this.#finish(look);
    if (!waiting.some((probe) => isWanted(look, probe))) {
      const open = [...sent.values()].some(({ probe }) => isWanted(look, probe));
      if (!open) return this.#finish(look);
    }
    const heard = new Map([...latency[4], ...latency[6]]);
    if (heard.size < ENOUGH_REGIONS) return;
    const slowest = Math.max(...heard.values());
    look.endAt = Math.min(look.endAt, now + GRACE_MS + GRACE_SHARE * slowest);
  }

  #finish(look: Look): void {
    this.#look = undefined;
    const { latency, seen, servers, https } = look;
    const best = new Map(https);
    for (const found of [latency[4], latency[6]]) {
      for (const [region, ms] of found) keepLeast(best, region, ms);
    }
    const report: NetReport = {
      startedAt: look.startedAt,
      udp: latency[4].size + latency[6].size > 0,
      ipv4: latency[4].size > 0,
      ipv6: latency[6].size > 0,
      hasIpv6: look.question.families.ipv6,
      mappingVaries: servers.size < 2 ? undefined : seen[4].size > 1,
      latency: best,
      latency4: latency[4],
      latency6: latency[6],
      seen4: mostSeen(seen[4]),
      seen6: mostSeen(seen[6]),
    };
    this.#events.push({ kind: 'report', report });
  }
}

/** Whether its answer would say anything new. */
function isWanted({ latency, servers }: Look, { region, node, family }: PlannedProbe): boolean {
  if (!latency[family].has(region)) return true;
  // Two servers tell whether the mapping varies, also where there is only one region.
  return family === 4 && servers.size < 2 && !servers.has(node.Name);
}

/** Undefined: the node has nothing of that family. */
function targetOf(node: DerpNode, family: 4 | 6): ProbeTarget | undefined {
  const port = node.STUNPort === undefined || node.STUNPort === 0 ? STUN_PORT : node.STUNPort;
  const given = [node.STUNTestIP, family === 4 ? node.IPv4 : node.IPv6].filter(
    (text) => text !== undefined && text !== '',
  );
  for (const text of given) {
    const address = parseAddress(text ?? '');
    if (address.ok && address.value.family === family) {
      return { kind: 'endpoint', endpoint: endpointOf(address.value, port) };
    }
  }
  return given.length > 0 ? undefined : { kind: 'name', hostName: node.HostName, family, port };
}

function keepLeast(map: Map<number, number>, region: number, ms: number): void {
  const known = map.get(region);
  if (known === undefined || ms < known) map.set(region, ms);
}

function mostSeen(seen: ReadonlyMap<string, Seen>): Endpoint[] {
  return [...seen.values()]
    .toSorted((a, b) => b.count - a.count)
    .slice(0, MAX_SEEN)
    .map(({ endpoint }) => endpoint);
}
