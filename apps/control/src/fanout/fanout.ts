/**
 * Tells every open map stream what has changed, once, in as few bytes as possible.
 *
 * Sans-IO: the driver passes in time, compression, sinks, and a way to be called back. The first change
 * goes out at once; what comes while it is being sent is merged, and the next flush waits half of what
 * the last one took. New streams are gathered for {@link GATHER_MS}, so that a storm shares its work.
 */
import type { Node, NodeId } from '@malla/netmap/node';
import {
  type CapMap,
  diffForPeers,
  encodeSelf,
  PatchField,
  WHOLE_NODE,
} from '@malla/netmap/tailcfg-node';
import { TAGGED_DEVICES } from '@malla/netmap/user';
import { formatTime } from '@malla/wire/tailcfg/json';
import type { Change } from '../core/change.ts';
import { ClassView, type Facts, PeerTexts } from './class-view.ts';
import { type Encoding, frame, Message, Piece } from './message.ts';
import { MapStream, type StreamSink } from './map-stream.ts';
import type { ClassKey, Visibility } from './visibility.ts';

/** How long new streams are gathered, ms. */
export const GATHER_MS = 15;
/** And for this many times as long as the last flush took: each first map spoils blocks of peers. */
const GATHER_FACTOR = 2;
/** Longest wait between two flushes, ms. */
export const MAX_GAP_MS = 250;

export interface FanoutOptions {
  /** Nodes are not asked for: they are those of the changes that were applied here. */
  readonly facts: Omit<Facts, 'node'>;
  readonly visibility: Visibility;
  /** Capabilities of a node itself. */
  readonly capMap: (node: Node) => CapMap;
  /** Members of the first message besides the shared ones, such as `"Domain":…`. */
  readonly firstMembers: () => readonly string[];
  /** Calls back after so many ms; 0: soon. */
  readonly schedule: (task: () => void, delayMs: number) => void;
  /** Monotonic ms, to measure a flush with. */
  readonly monotonic: () => number;
}

export class Fanout {
  readonly #options: FanoutOptions;
  readonly #facts: Facts;
  /**
   * As the changes told here left them. The state is ahead of that while a change is being stored, and
   * nobody may be told what a failing disk would take back.
   */
  readonly #nodes = new Map<NodeId, Node>();
  readonly #texts: PeerTexts;
  readonly #views = new Map<ClassKey, ClassView>();
  readonly #classOf = new Map<NodeId, ClassKey>();
  readonly #sizes = new Map<ClassKey, number>();
  readonly #streams = new Map<NodeId, MapStream>();
  readonly #pending = new Set<MapStream>();
  /** Streams that wait for their first map. */
  readonly #newcomers = new Set<MapStream>();
  #gatherUntil = 0;
  /** Since the start. */
  readonly counters = { messages: 0, bytes: 0, flushes: 0 };
  /** Monotonic ms of the earliest call that is scheduled. */
  #scheduledAt = Infinity;
  #allDirty = false;
  #notBefore = 0;
  #lastFlushMs = 0;
  readonly #keepAlive: Message;

  constructor(options: FanoutOptions, nodes: Iterable<Node>) {
    this.#options = options;
    this.#facts = { ...options.facts, node: (id) => this.#nodes.get(id) };
    this.#texts = new PeerTexts(this.#facts);
    this.#keepAlive = new Message('{"KeepAlive":true}', options.facts.compress);
    for (const node of nodes) this.#appear(node);
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  streams(): IterableIterator<MapStream> {
    return this.#streams.values();
  }

  stream(id: NodeId): MapStream | undefined {
    return this.#streams.get(id);
  }

  /** Every node as the changes that were applied here left it. */
  nodes(): IterableIterator<Node> {
    return this.#nodes.values();
  }

  /** Opens a stream. An older one of the same node is ended: the client has left it behind. */
  open(node: Node, encoding: Encoding, sink: StreamSink): MapStream {
    this.close(this.#streams.get(node.id));
    const stream = new MapStream(node.id, encoding, sink, this.#viewOf(this.#classKey(node)));
    this.#streams.set(node.id, stream);
    if (this.#newcomers.size === 0) {
      const gather = Math.min(GATHER_MS + this.#lastFlushMs * GATHER_FACTOR, MAX_GAP_MS);
      this.#gatherUntil = this.#options.monotonic() + gather;
    }
    this.#newcomers.add(stream);
    this.#wakeAt(this.#gatherUntil);
    return stream;
  }

  /** Ends a stream, from our side or because the client has gone. */
  close(stream: MapStream | undefined): void {
    if (stream === undefined || stream.ended) return;
    stream.ended = true;
    this.#pending.delete(stream);
    this.#newcomers.delete(stream);
    if (this.#streams.get(stream.nodeId) === stream) this.#streams.delete(stream.nodeId);
    stream.sink.end();
  }

  /** The sink of a busy stream takes bytes again. */
  writable(stream: MapStream): void {
    if (!stream.busy || stream.ended) return;
    stream.busy = false;
    this.#pending.add(stream);
    this.#wake();
  }

  /** Rows have changed. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.table === 'node') this.#nodeChanged(change.id, change.after);
      else if (change.table === 'user' && change.after !== undefined) {
        for (const view of this.#views.values()) view.userChanged(change.id);
        this.#everyone();
      }
    }
  }

  /** A node came online, went offline, or its key expired by time: its row is as before. */
  presenceChanged(node: Node, whole = false): void {
    this.#texts.drop(node.id);
    this.#tellViewers(this.#classKey(node), node.id, whole ? WHOLE_NODE : PatchField.online);
    if (whole) this.#selfChanged(node.id);
  }

  /** Shared parts have changed, bits of `Common`. */
  commonChanged(parts: number): void {
    for (const view of this.#views.values()) view.log.append({ kind: 'common', parts });
    this.#everyone();
  }

  /** Sends a member (`"PingRequest":…`) to one node. False: no stream, or too much waits already. */
  send(id: NodeId, member: string): boolean {
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.push(member)) return false;
    this.#pending.add(stream);
    this.#wake();
    return true;
  }

  /** Tells a silent stream that we are there. A busy one is told by what it is busy with. */
  keepAlive(stream: MapStream): void {
    if (!stream.started || stream.busy || stream.ended) return;
    this.#write(stream, [this.#keepAlive.bytes(stream.encoding)]);
  }

  /** The one message for a request that does not stay: the whole map for a node. */
  once(node: Node, encoding: Encoding): Uint8Array[] {
    return frame(this.#whole(this.#viewOf(this.#classKey(node)), node), encoding);
  }

  /** A message with nothing but the node itself: for one whose key has expired. */
  selfOnly(node: Node, encoding: Encoding): Uint8Array[] {
    const members = [this.#selfMember(node), ...this.#options.firstMembers()];
    return frame([new Piece(`{${members.join(',')}}`, this.#facts.compress)], encoding);
  }

  #nodeChanged(id: NodeId, after: Node | undefined): void {
    const before = this.#nodes.get(id);
    this.#texts.drop(id);
    if (after === undefined) {
      if (before !== undefined) this.#deleted(before);
      return;
    }
    this.#nodes.set(id, after);
    if (before === undefined) {
      this.#appear(after);
      return;
    }
    // A new node key is a new client process; the stream of the old one has nobody at its end.
    if (before.nodeKey !== after.nodeKey) this.close(this.#streams.get(after.id));
    const key = this.#options.visibility.classOf(after);
    if (key !== this.#classKey(before)) {
      this.#disappear(before.id);
      this.#appear(after);
      return;
    }
    const fields = diffForPeers(before, after, this.#facts.now());
    if (fields !== 0) this.#tellViewers(key, after.id, fields);
    if (selfDiffers(fields)) this.#selfChanged(after.id);
  }

  /** A client that is told its key has expired asks for a login; one that is told nothing tries for ever. */
  #deleted(node: Node): void {
    const stream = this.#streams.get(node.id);
    if (stream !== undefined) {
      const gone = { ...node, expiry: this.#facts.now() };
      this.#write(stream, this.selfOnly(gone, stream.encoding));
    }
    this.#nodes.delete(node.id);
    this.#disappear(node.id);
  }

  #appear(node: Node): void {
    const key = this.#options.visibility.classOf(node);
    this.#nodes.set(node.id, node);
    this.#viewOf(key);
    this.#classOf.set(node.id, key);
    this.#sizes.set(key, (this.#sizes.get(key) ?? 0) + 1);
    const owner = node.userId ?? TAGGED_DEVICES.id;
    for (const [viewer, view] of this.#views) {
      if (!this.#options.visibility.sees(viewer, key)) continue;
      view.appeared(node.id, owner);
    }
    this.#everyone();
  }

  #disappear(id: NodeId): void {
    const key = this.#classOf.get(id);
    this.#classOf.delete(id);
    for (const view of this.#views.values()) view.gone(id);
    // What the node itself may see has ended with its class.
    this.close(this.#streams.get(id));
    if (key !== undefined) this.#shrink(key);
    this.#everyone();
  }

  #shrink(key: ClassKey): void {
    const size = (this.#sizes.get(key) ?? 1) - 1;
    if (size > 0) {
      this.#sizes.set(key, size);
      return;
    }
    this.#sizes.delete(key);
    this.#views.delete(key);
  }

  #tellViewers(key: ClassKey, id: NodeId, fields: number): void {
    for (const [viewer, view] of this.#views) {
      if (this.#options.visibility.sees(viewer, key)) view.changed(id, fields);
    }
    this.#everyone();
  }

  #selfChanged(id: NodeId): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.selfChanged = true;
    this.#pending.add(stream);
    this.#wake();
  }

  #classKey(node: Node): ClassKey {
    return this.#classOf.get(node.id) ?? this.#options.visibility.classOf(node);
  }

  #viewOf(key: ClassKey): ClassView {
    let view = this.#views.get(key);
    if (view === undefined) {
      view = new ClassView(this.#facts, this.#texts);
      this.#views.set(key, view);
      for (const [id, of] of this.#classOf) {
        if (this.#options.visibility.sees(key, of)) {
          view.appeared(id, this.#nodes.get(id)?.userId ?? TAGGED_DEVICES.id);
        }
      }
    }
    return view;
  }

  #everyone(): void {
    if (this.#streams.size === 0) return;
    this.#allDirty = true;
    this.#wake();
  }

  #wake(): void {
    this.#wakeAt(this.#options.monotonic());
  }

  /** A call that was scheduled for later finds nothing to do. */
  #wakeAt(wanted: number): void {
    const at = Math.max(wanted, this.#notBefore);
    if (at >= this.#scheduledAt) return;
    this.#scheduledAt = at;
    this.#options.schedule(
      () => {
        if (this.#scheduledAt === at) this.flush();
      },
      Math.max(0, at - this.#options.monotonic()),
    );
  }

  /** Sends everything that is pending to everyone who can take it. The schedule calls it. */
  flush(): void {
    const began = this.#options.monotonic();
    this.counters.flushes++;
    this.#scheduledAt = Infinity;
    const due = this.#allDirty ? [...this.#streams.values()] : [...this.#pending];
    this.#allDirty = false;
    this.#pending.clear();
    for (const stream of due)
      if (stream.started && !stream.busy && !stream.ended) this.#serve(stream);
    if (began >= this.#gatherUntil) {
      for (const stream of this.#newcomers) this.#begin(stream);
      this.#newcomers.clear();
    }
    this.#trim();
    const ended = this.#options.monotonic();
    this.#lastFlushMs = ended - began;
    this.#notBefore = ended + Math.min(this.#lastFlushMs / 2, MAX_GAP_MS);
    if (this.#newcomers.size > 0) this.#wakeAt(this.#gatherUntil);
    if (this.#pending.size > 0) this.#wake();
  }

  /** The first map of a stream. */
  #begin(stream: MapStream): void {
    const node = this.#nodes.get(stream.nodeId);
    if (node === undefined) return this.close(stream);
    stream.started = true;
    stream.cursor = stream.view.log.head;
    stream.selfChanged = false;
    this.#write(stream, frame(this.#whole(stream.view, node), stream.encoding));
    if (stream.waiting.length > 0) this.#pending.add(stream);
  }

  #serve(stream: MapStream): void {
    const node = this.#nodes.get(stream.nodeId);
    if (node === undefined) return this.close(stream);
    const delta = stream.view.since(stream.cursor);
    // Too far behind to be told what changed: it comes back and gets the whole map.
    if (delta === undefined) return this.close(stream);
    stream.cursor = stream.view.log.head;
    const concernsSelf = delta.merged.nodes.has(stream.nodeId);
    if (!concernsSelf && !stream.selfChanged && stream.waiting.length === 0) {
      if (delta.message !== undefined) this.#write(stream, [delta.message.bytes(stream.encoding)]);
      return;
    }
    const members = stream.view.members(delta.merged, stream.nodeId);
    if (stream.selfChanged) members.unshift(this.#selfMember(node));
    stream.selfChanged = false;
    const own = stream.waiting.shift();
    if (own !== undefined) members.push(own);
    if (stream.waiting.length > 0) this.#pending.add(stream);
    if (members.length === 0) return;
    const message = new Message(`{${members.join(',')}}`, this.#facts.compress);
    this.#write(stream, [message.bytes(stream.encoding)]);
  }

  #whole(view: ClassView, node: Node): Piece[] {
    const own = [
      this.#selfMember(node),
      `"ControlTime":"${formatTime(this.#facts.now())}"`,
      ...this.#options.firstMembers(),
    ];
    return view.whole(node.id, own.join(','));
  }

  #selfMember(node: Node): string {
    const { naming, now } = this.#facts;
    return `"Node":${encodeSelf(node, this.#options.capMap(node), naming, now())}`;
  }

  #write(stream: MapStream, pieces: readonly Uint8Array[]): void {
    this.counters.messages++;
    for (const piece of pieces) this.counters.bytes += piece.length;
    if (!stream.sink.write(pieces)) stream.busy = true;
  }

  #trim(): void {
    const slowest = new Map<ClassView, number>();
    for (const stream of this.#streams.values()) {
      if (!stream.started) continue;
      slowest.set(stream.view, Math.min(slowest.get(stream.view) ?? Infinity, stream.cursor));
    }
    for (const view of this.#views.values()) view.log.trim(slowest.get(view) ?? view.log.head);
  }
}

/** Endpoints and discovery keys are the node's own news; the rest it must be told. */
function selfDiffers(fields: number): boolean {
  return (fields & (WHOLE_NODE | PatchField.expiry)) !== 0;
}
