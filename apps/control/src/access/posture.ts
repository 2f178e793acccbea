/**
 * Asks connected clients for what posture conditions want to know and a Hostinfo does not say: the
 * device's serial number, and whether the client updates itself. Only what the policy names is asked
 * for; a node that gives no answer has no such attribute.
 *
 * Source: docs/protocol/control.md §c2n, `/posture/identity` and `/update`. Observed: clients 1.80 to
 * 1.102 give serial numbers only where posture checking is on (`tailscale set --posture-checking`).
 */
import type { NodeId } from '@malla/netmap/node';
import type { Policy } from '@malla/policy/policy';
import type { PostureAttributes } from '@malla/policy/tailnet';
import { type JsonObject, parseObjectText } from '@malla/wire/tailcfg/json';
import { decodeHttpResponse } from '../admin/http-response.ts';

/** Clients that are asked at the same time. */
const MAX_AT_ONCE = 16;
/** Of one owner: clients that do not answer hold up others for a minute. */
const MAX_OF_OWNER = 4;
/** How old an answer may get while a node stays connected, ms. */
const REFRESH_MS = 3_600_000;
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

export class PostureCollector {
  readonly #options: PostureOptions;
  readonly #answers = new Map<NodeId, PostureAttributes>();
  /** Monotonic ms when a node was last asked. */
  readonly #askedAt = new Map<NodeId, number>();
  readonly #waiting = new Set<NodeId>();
  /** With their owners. */
  readonly #asking = new Map<NodeId, string>();
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
    if (more) for (const node of nodes) this.connected(node);
  }

  /** A node came online. */
  connected(node: NodeId): void {
    if (this.#wanted.length === 0 || !this.#options.isOnline(node)) return;
    this.#waiting.add(node);
    this.#next();
  }

  /** Asks again whose answers are old. Call it about once a minute or more often. */
  look(): void {
    const now = this.#options.now();
    for (const [node, at] of this.#askedAt) if (now - at >= REFRESH_MS) this.connected(node);
  }

  remove(node: NodeId): void {
    this.#answers.delete(node);
    this.#askedAt.delete(node);
    this.#waiting.delete(node);
  }

  #next(): void {
    for (const node of this.#waiting) {
      if (this.#asking.size >= MAX_AT_ONCE) return;
      const owner = this.#options.ownerOf(node);
      if (this.#asking.has(node) || this.#askingOf(owner) >= MAX_OF_OWNER) continue;
      this.#waiting.delete(node);
      this.#asking.set(node, owner);
      this.#askedAt.set(node, this.#options.now());
      void this.#ask(node).finally(() => {
        this.#asking.delete(node);
        this.#next();
      });
    }
  }

  #askingOf(owner: string): number {
    return [...this.#asking.values()].filter((each) => each === owner).length;
  }

  async #ask(node: NodeId): Promise<void> {
    const attributes = new Map<string, string | boolean>();
    const texts = new Map<string, JsonObject>();
    for (const name of this.#wanted) {
      const question = QUESTIONS[name];
      if (question === undefined) continue;
      let answer = texts.get(question.path);
      if (answer === undefined) {
        answer = await this.#get(node, question.path);
        texts.set(question.path, answer);
      }
      const value = question.read(answer);
      if (value !== undefined) attributes.set(name, value);
    }
    // Deleted meanwhile.
    if (!this.#askedAt.has(node)) return;
    const before = this.#answers.get(node);
    if (before !== undefined && [...before].join() === [...attributes].join()) return;
    this.#answers.set(node, attributes);
    if (before !== undefined || attributes.size > 0) this.#options.onChanged(node);
  }

  /** The JSON object that a client answers; empty where it answers anything else. */
  async #get(node: NodeId, path: string): Promise<JsonObject> {
    try {
      const response = decodeHttpResponse(await this.#options.request(node, 'GET', path, ''));
      if (!response.ok || response.value.status !== 200) return {};
      const body = parseObjectText(response.value.body);
      return body.ok ? body.value : {};
    } catch {
      return {};
    }
  }
}
