/**
 * Asks connected clients for what posture conditions want to know and a Hostinfo does not say: the
 * device's serial number, and whether the client updates itself. Only what the policy names is asked
 * for, whenever a client connects and once an hour.
 *
 * A node that never answered has no such attribute. One that did and does not now keeps what it had for
 * {@link MAX_SILENT} questions: a request is lost whenever a client changes networks.
 *
 * Source: docs/protocol/control.md §c2n, `/posture/identity` and `/update`. Observed: clients 1.80 to
 * 1.102 give serial numbers only where posture checking is on (`tailscale set --posture-checking`).
 */
import { Deadlines } from '@malla/base/deadlines';
import type { NodeId } from '@malla/netmap/node';
import type { Policy } from '@malla/policy/policy';
import type { PostureAttributes } from '@malla/policy/subjects';
import { type JsonObject, parseObjectText } from '@malla/wire/tailcfg/json';
import { decodeHttpResponse } from '@malla/platform/http/http-response';

/** Clients that are asked at the same time. */
const MAX_AT_ONCE = 16;
/** Of one owner: clients that do not answer hold up others for a minute. */
const MAX_OF_OWNER = 4;
/** How old an answer may get while a node stays connected, ms. */
const REFRESH_MS = 3_600_000;
/** After which a node that did not answer is asked again, ms. */
const RETRY_MS = 60_000;
/** Questions in a row without an answer, after which nothing is known of a node. */
const MAX_SILENT = 3;
/** Longest value that is kept, characters. */
const MAX_VALUE_CHARS = 256;

export interface PostureOptions {
  /** Sends a request to a client; rejects when it is not there or does not answer. */
  readonly request: (
    node: NodeId,
    method: string,
    path: string,
    body: string,
  ) => Promise<Uint8Array>;
  readonly isOnline: (node: NodeId) => boolean;
  /** What tells owners of nodes apart. */
  readonly ownerOf: (node: NodeId) => string;
  /** A node's answer differs from the one before. */
  readonly onChanged: (node: NodeId) => void;
  /** A node was asked: {@link PostureCollector.dueAt} may say another time now. */
  readonly onAsked: () => void;
  /** Monotonic ms. */
  readonly now: () => number;
}

type Reader = (answer: JsonObject) => string | boolean | undefined;

/** What to ask for each attribute, and how to read the answer. */
const QUESTIONS: Readonly<Record<string, { readonly path: string; readonly read: Reader }>> = {
  'node:serialNumber': {
    path: '/posture/identity',
    read: ({ SerialNumbers }) => {
      const first: unknown = Array.isArray(SerialNumbers) ? SerialNumbers[0] : undefined;
      return typeof first === 'string' && first.length <= MAX_VALUE_CHARS ? first : undefined;
    },
  },
  'node:tsAutoUpdate': {
    path: '/update',
    read: ({ Enabled }) => (typeof Enabled === 'boolean' ? Enabled : undefined),
  },
};

/** A node that is being asked. */
interface Round {
  readonly node: NodeId;
  readonly owner: string;
  /** Monotonic ms. */
  readonly askedAt: number;
  /** The node has connected anew, so the questions travel on a stream that is gone; or it was deleted. */
  isStale: boolean;
}

export class PostureCollector {
  readonly #options: PostureOptions;
  readonly #answers = new Map<NodeId, PostureAttributes>();
  /** When a node is to be asked, monotonic ms. */
  readonly #due = new Deadlines<NodeId>();
  /** How many questions in a row a node has not answered. */
  readonly #silent = new Map<NodeId, number>();
  readonly #waiting = new Set<NodeId>();
  readonly #rounds = new Set<Round>();
  #wanted: readonly string[] = [];

  constructor(options: PostureOptions) {
    this.#options = options;
  }

  /** What a node answered. */
  of(node: NodeId): PostureAttributes | undefined {
    return this.#answers.get(node);
  }

  /** Another policy is in force: asks all connected nodes if it wants to know more than before. */
  setPolicy(policy: Policy | undefined, nodes: Iterable<NodeId>): void {
    const named = [...(policy?.postures.values() ?? [])]
      .flatMap(({ conditions }) => conditions)
      .map(({ attribute }) => attribute);
    const wanted = Object.keys(QUESTIONS).filter((name) => named.includes(name));
    const more = wanted.some((name) => !this.#wanted.includes(name));
    this.#wanted = wanted;
    if (!more) return;
    for (const node of nodes) this.connected(node);
    this.look();
  }

  /** A node has opened a stream, also where it was online already. It is asked with the next {@link look}: the stream is only about to be. */
  connected(node: NodeId): void {
    if (this.#wanted.length === 0 || !this.#options.isOnline(node)) return;
    this.#leaveRound(node);
    this.#due.set(node, this.#options.now());
  }

  /** When {@link look} next has somebody to ask, monotonic ms; undefined: not until somebody connects. */
  dueAt(): number | undefined {
    return this.#due.first();
  }

  /** Asks who has connected, who did not answer, and whose answers are old. */
  look(): void {
    const now = this.#options.now();
    for (const node of this.#due.takeAllDue(now)) {
      // Whoever is away now is asked when it comes back.
      if (this.#wanted.length > 0 && this.#options.isOnline(node)) this.#waiting.add(node);
    }
    this.#next();
  }

  remove(node: NodeId): void {
    this.#leaveRound(node);
    this.#answers.delete(node);
    this.#due.delete(node);
    this.#silent.delete(node);
    this.#waiting.delete(node);
  }

  #leaveRound(node: NodeId): void {
    for (const round of this.#rounds) if (round.node === node) round.isStale = true;
  }

  #next(): void {
    for (const node of this.#waiting) {
      if (this.#rounds.size >= MAX_AT_ONCE) return;
      const owner = this.#options.ownerOf(node);
      const ofOwner = [...this.#rounds].filter((round) => round.owner === owner);
      // Questions that are lost count too, as long as they are waited for.
      if (ofOwner.length >= MAX_OF_OWNER) continue;
      if (ofOwner.some((round) => round.node === node && !round.isStale)) continue;
      this.#waiting.delete(node);
      const round: Round = { node, owner, askedAt: this.#options.now(), isStale: false };
      this.#rounds.add(round);
      void this.#ask(round).finally(() => {
        this.#rounds.delete(round);
        this.#next();
        this.#options.onAsked();
      });
    }
  }

  async #ask(round: Round): Promise<void> {
    const { node } = round;
    const answers = new Map<string, JsonObject | undefined>();
    const wanted = this.#wanted;
    for (const name of wanted) {
      const path = QUESTIONS[name]?.path ?? '';
      if (!answers.has(path)) answers.set(path, await this.#get(node, path));
    }
    if (round.isStale) return;
    const isSilent = [...answers.values()].includes(undefined);
    this.#due.set(node, round.askedAt + (isSilent ? RETRY_MS : REFRESH_MS));
    const silent = isSilent ? (this.#silent.get(node) ?? 0) + 1 : 0;
    if (isSilent) this.#silent.set(node, silent);
    else this.#silent.delete(node);
    const before = this.#answers.get(node);
    const attributes = new Map<string, string | boolean | number>();
    for (const name of wanted) {
      const question = QUESTIONS[name];
      const answer = answers.get(question?.path ?? '');
      const known = silent < MAX_SILENT ? before?.get(name) : undefined;
      const value = answer === undefined ? known : question?.read(answer);
      if (value !== undefined) attributes.set(name, value);
    }
    if (before !== undefined && [...before].join() === [...attributes].join()) return;
    this.#answers.set(node, attributes);
    if (before !== undefined || attributes.size > 0) this.#options.onChanged(node);
  }

  /** The JSON object that a client answers, empty where it answers anything else; undefined: nothing. */
  async #get(node: NodeId, path: string): Promise<JsonObject | undefined> {
    let answer: Uint8Array;
    try {
      answer = await this.#options.request(node, 'GET', path, '');
    } catch {
      return undefined;
    }
    const response = decodeHttpResponse(answer);
    if (!response.ok || response.value.status !== 200) return {};
    const body = parseObjectText(response.value.body);
    return body.ok ? body.value : {};
  }
}
