/**
 * Tells every open map stream what has changed, once, in as few bytes as possible.
 *
 * Sans-IO: the driver passes in time, compression, sinks, and a way to be called back. The first change
 * goes out at once; what comes while it is being sent is merged, and the next flush waits half of what
 * the last one took. One that takes longer than {@link SLICE_MS} lets others use the thread, and goes on with the
 * streams that have not had their turn. New streams are gathered for {@link GATHER_MS}, so that a storm shares its work.
 */
import type { Node, NodeId } from '@malla/netmap/node';
import { encodeSelf, PatchField, WHOLE_NODE } from '@malla/netmap/tailcfg-node';
import type { UserId } from '@malla/netmap/user';
import { formatTime } from '@malla/wire/tailcfg/json';
import { mapMember } from '@malla/wire/tailcfg/map-response';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { Change } from '../core/change.ts';
import type { ClassView, Facts } from './class-view.ts';
import { type Encoding, frame, Message, Piece } from './message.ts';
import { MapStream, type StreamSink } from './map-stream.ts';
import { TRIM_ENTRIES } from './change-log.ts';
import type { Rules } from './rules.ts';
import { type Moved, type Moves, type RulesChange, Views } from './class-views.ts';

/** How long new streams are gathered, ms. */
export const GATHER_MS = 15;
/** And for this many times as long as the last flush took: each first map spoils blocks of peers. */
const GATHER_FACTOR = 2;
/** Longest wait between two flushes, ms. */
export const MAX_GAP_MS = 250;
/** After which others may use the thread while open streams are told of a change, ms. */
export const SLICE_MS = 25;

export interface FanoutOptions {
  readonly facts: Facts;
  readonly rules: Rules;
  /** Capabilities of a node itself. */
  readonly capMap: (node: Node) => CapMap;
  /** Members of the first message besides the shared ones, such as `"Domain":…`. */
  readonly firstMembers: () => readonly string[];
  /** Members that are a node's own, such as a `"DNSConfig":…` that no other node has. */
  readonly ownMembers: (node: Node) => readonly string[];
  /** Calls back after so many ms; 0: soon. */
  readonly schedule: (task: () => void, delayMs: number) => void;
  /** Monotonic ms, to measure a flush with. */
  readonly monotonic: () => number;
}

export class Fanout {
  readonly #options: FanoutOptions;
  readonly #facts: Facts;
  #views: Views;
  /** The routes that nodes were last told that they serve. */
  readonly #served = new Map<NodeId, string>();
  readonly #streams = new Map<NodeId, MapStream>();
  /** By the view whose log they read. */
  readonly #readers = new Map<ClassView, Set<MapStream>>();
  /** Views whose readers have something to be told. */
  readonly #dirty = new Set<ClassView>();
  readonly #pending = new Set<MapStream>();
  /** Streams that have not had their turn in the flush under way, in order. */
  readonly #due = new Set<MapStream>();
  /** Streams that wait for their first map. */
  readonly #newcomers = new Set<MapStream>();
  #gatherUntil = 0;
  /** Since the start. */
  readonly counters = { messages: 0, bytes: 0, flushes: 0 };
  /** Monotonic ms of the earliest call that is scheduled. */
  #scheduledAt = Infinity;
  #notBefore = 0;
  #lastFlushMs = 0;
  readonly #keepAlive: Message;

  constructor(options: FanoutOptions, nodes: Iterable<Node>) {
    this.#options = options;
    this.#facts = options.facts;
    this.#views = this.#newViews(options.rules, nodes);
    this.#keepAlive = new Message('{"KeepAlive":true}', options.facts.compress);
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

  /** Opens a stream. An older one of the same node is ended: the client has left it behind. */
  open(node: Node, encoding: Encoding, sink: StreamSink): MapStream {
    this.close(this.#streams.get(node.id));
    const stream = new MapStream(node.id, encoding, sink, this.#views.of(node));
    this.#streams.set(node.id, stream);
    this.#reads(stream);
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
    this.#due.delete(stream);
    this.#newcomers.delete(stream);
    if (this.#streams.get(stream.nodeId) === stream) this.#streams.delete(stream.nodeId);
    this.#readsNoMore(stream, stream.reading);
    stream.sink.end();
  }

  /** The sink of a busy stream takes bytes again. */
  writable(stream: MapStream): void {
    if (!stream.busy || stream.ended) return;
    stream.busy = false;
    this.#pending.add(stream);
    this.#wake();
  }

  /** Rows have changed; `rules` is what that has touched beyond them. */
  apply(changes: readonly Change[], rules?: RulesChange): void {
    const isSettled =
      rules === undefined ||
      !(rules.visibility || changes.some(isDeletion) || this.#views.someMove(rules.reclassed));
    if (isSettled) this.#apply(changes, rules);
    else this.#views.unsettled(() => this.#apply(changes, rules));
  }

  #apply(changes: readonly Change[], rules: RulesChange | undefined): void {
    if (rules?.visibility === true) {
      this.#views.visibilityChanged(rules);
      this.#wake();
    }
    const moved: Moved = new Map();
    for (const id of rules?.reclassed ?? []) moved.set(id, 0);
    for (const change of changes) {
      if (change.table === 'node') this.#nodeChanged(change.before, change.after, moved);
      else if (change.table === 'user' && change.after !== undefined) this.#userChanged(change.id);
    }
    const { made } = this.#moveStreams(this.#views.move(moved));
    if (rules === undefined) return;
    if (!rules.visibility) this.#views.rulesChanged(rules, made);
    this.ownChanged(rules.attributes);
  }

  /** Other rules hold from now on, that name their classes otherwise. */
  setRules(rules: Rules): void {
    this.#moveStreams(this.#views.setRules(rules));
    this.#wake();
    this.ownChanged([...this.#streams.keys()]);
  }

  /** Ends all streams and makes everything anew of the nodes there are: for when what it holds may be wrong. */
  restart(rules: Rules, nodes: Iterable<Node>): void {
    for (const stream of this.#streams.values()) this.close(stream);
    this.#served.clear();
    this.#views = this.#newViews(rules, nodes);
  }

  /** Nodes serve other routes than before, or are used for them by other viewers. */
  servedChanged(ids: Iterable<NodeId>): void {
    for (const id of ids) {
      this.#views.routesMayDiffer(id);
      if (this.#facts.served(id).join() !== this.#served.get(id)) this.#selfChanged(id);
    }
  }

  /** What nodes are granted, or are sent for themselves alone, has changed. */
  ownChanged(ids: Iterable<NodeId>): void {
    for (const id of ids) {
      const stream = this.#streams.get(id);
      if (stream === undefined) continue;
      stream.ownChanged = true;
      this.#selfChanged(id);
    }
  }

  /** A node came online, went offline, or its key expired by time: its row is as before. */
  presenceChanged(node: Node, whole = false): void {
    this.#views.changed(node.id, whole ? WHOLE_NODE : PatchField.online);
    if (whole) this.#selfChanged(node.id);
  }

  /** Shared parts have changed, bits of `Common`. */
  commonChanged(parts: number): void {
    this.#views.commonChanged(parts);
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
    return frame(this.#whole(this.#views.of(node), node), encoding);
  }

  /** A message with nothing but the node itself: for one whose key has expired. */
  selfOnly(node: Node, encoding: Encoding): Uint8Array[] {
    const members = [this.#encodeSelf(node, []), ...this.#options.firstMembers()];
    return frame([new Piece(`{${members.join(',')}}`, this.#facts.compress)], encoding);
  }

  #newViews(rules: Rules, nodes: Iterable<Node>): Views {
    const options = {
      facts: this.#facts,
      rules,
      isRead: (view: ClassView) => this.#readers.has(view),
      onNoted: (view: ClassView) => this.#noted(view),
    };
    return new Views(options, nodes);
  }

  #nodeChanged(before: Node | undefined, after: Node | undefined, moved: Moved): void {
    if (after === undefined) {
      if (before === undefined) return;
      moved.delete(before.id);
      return this.#deleted(before);
    }
    if (before === undefined) return this.#views.add(after);
    // A new node key is a new client process; the stream of the old one has nobody at its end.
    if (before.nodeKey !== after.nodeKey) this.close(this.#streams.get(after.id));
    if (selfDiffers(this.#views.replace(before, after, moved))) this.#selfChanged(after.id);
  }

  #userChanged(id: UserId): void {
    this.#views.userChanged(id);
    for (const node of this.#facts.nodesOfUser(id)) {
      const stream = this.#streams.get(node.id);
      if (stream !== undefined && stream.view.unseenOwner(node.id).length > 0) {
        this.#selfChanged(node.id);
      }
    }
  }

  /** Streams whose nodes belong to other classes now are told how the views differ. */
  #moveStreams(moves: Moves): Moves {
    for (const [id, view] of moves.views) {
      const stream = this.#streams.get(id);
      if (stream === undefined) continue;
      const read = stream.reading;
      stream.moveTo(view);
      this.#reindex(stream, read);
      this.#pending.add(stream);
      this.#wake();
    }
    this.#views.dropLeft();
    return moves;
  }

  /** A client that is told its key has expired asks for a login; one that is told nothing tries for ever. */
  #deleted(node: Node): void {
    const stream = this.#streams.get(node.id);
    if (stream !== undefined) {
      const gone = { ...node, expiry: this.#facts.now() };
      this.#write(stream, this.selfOnly(gone, stream.encoding));
    }
    this.#served.delete(node.id);
    this.#views.remove(node.id);
    // What the node itself may see has ended with its class.
    this.close(stream);
  }

  #selfChanged(id: NodeId): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.selfChanged = true;
    this.#pending.add(stream);
    this.#wake();
  }

  #noted(view: ClassView): void {
    this.#dirty.add(view);
    this.#wake();
  }

  #reads(stream: MapStream): void {
    const readers = this.#readers.get(stream.reading);
    if (readers === undefined) this.#readers.set(stream.reading, new Set([stream]));
    else readers.add(stream);
  }

  #readsNoMore(stream: MapStream, view: ClassView): void {
    const readers = this.#readers.get(view);
    readers?.delete(stream);
    if (readers?.size !== 0) return;
    this.#readers.delete(view);
    this.#dirty.delete(view);
  }

  /** A stream that read a view may read another one. */
  #reindex(stream: MapStream, read: ClassView): void {
    if (stream.reading === read) return;
    this.#readsNoMore(stream, read);
    this.#reads(stream);
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
        if (this.#scheduledAt === at) this.#flush();
      },
      Math.max(0, at - this.#options.monotonic()),
    );
  }

  /** Sends these nodes what is pending for them, now. */
  tell(ids: Iterable<NodeId>): void {
    for (const id of ids) {
      const stream = this.#streams.get(id);
      if (stream !== undefined && canBeServed(stream)) this.#serve(stream);
    }
  }

  /** Sends what is pending to everyone who can take it, or to as many as a slice of time allows. */
  #flush(): void {
    const began = this.#options.monotonic();
    this.counters.flushes++;
    this.#scheduledAt = Infinity;
    // Those that wait for their turn keep their place before those that have had it.
    for (const stream of this.#pending) this.#due.add(stream);
    this.#pending.clear();
    for (const view of this.#dirty) {
      for (const stream of this.#readers.get(view) ?? []) this.#due.add(stream);
    }
    const told = [...this.#dirty];
    this.#dirty.clear();
    for (const stream of this.#due) {
      this.#due.delete(stream);
      if (!canBeServed(stream)) continue;
      this.#serve(stream);
      if (this.#isOver(began)) break;
    }
    // One at least, however many streams there are to serve.
    while (this.#views.isOwing) {
      this.#views.settleNext();
      if (this.#isOver(began)) break;
    }
    if (began >= this.#gatherUntil) {
      for (const stream of this.#newcomers) {
        const mustWait = this.#views.owes(stream.view) && this.#isOver(began);
        if (mustWait) continue;
        this.#newcomers.delete(stream);
        this.#begin(stream);
      }
    }
    for (const view of told) this.#trim(view, this.#readers.get(view));
    this.#views.dropLeft();
    const ended = this.#options.monotonic();
    this.#lastFlushMs = ended - began;
    // Others have the thread between two slices as well; waiting is for what comes meanwhile.
    const isCutShort = this.#due.size > 0 || this.#views.isOwing;
    const gap = isCutShort ? 0 : Math.min(this.#lastFlushMs / 2, MAX_GAP_MS);
    this.#notBefore = ended + gap;
    if (this.#newcomers.size > 0) this.#wakeAt(this.#gatherUntil);
    if (isCutShort || this.#pending.size > 0) this.#wake();
  }

  /** Whether a slice that began then is at its end. */
  #isOver(began: number): boolean {
    return this.#options.monotonic() - began >= SLICE_MS;
  }

  /** The first map of a stream. */
  #begin(stream: MapStream): void {
    const node = this.#facts.node(stream.nodeId);
    if (node === undefined) return this.close(stream);
    this.#views.settle(stream.view);
    stream.started = true;
    stream.cursor = stream.view.log.head;
    stream.selfChanged = false;
    stream.ownChanged = false;
    this.#write(stream, frame(this.#whole(stream.view, node), stream.encoding));
    if (stream.waiting.length > 0) this.#pending.add(stream);
  }

  #serve(stream: MapStream): void {
    const node = this.#facts.node(stream.nodeId);
    if (node === undefined) return this.close(stream);
    const { from } = stream;
    this.#views.settle(stream.view);
    if (from !== undefined) return this.#serveMoved(stream, node, from);
    const delta = stream.view.since(stream.cursor);
    // Too far behind to be told what changed: it comes back and gets the whole map.
    if (delta === undefined) return this.close(stream);
    stream.cursor = stream.view.log.head;
    const owners = ownersFor(stream);
    const own = this.#ownOf(stream, node);
    if (!delta.merged.nodes.has(stream.nodeId) && own.length === 0) {
      if (delta.message !== undefined) this.#write(stream, [delta.message.bytes(stream.encoding)]);
      return;
    }
    this.#say(stream, [...stream.view.members(delta.merged, stream.nodeId, owners), ...own]);
  }

  /** Tells a stream whose node has come into another class. Its old class may be gone, and is asked nothing. */
  #serveMoved(stream: MapStream, node: Node, from: ClassView): void {
    this.#views.settle(from);
    const merged = from.log.since(stream.cursor);
    if (merged === undefined) return this.close(stream);
    stream.from = undefined;
    this.#reindex(stream, from);
    stream.cursor = stream.view.log.head;
    const own = this.#ownOf(stream, node);
    this.#say(stream, [...stream.view.membersAfter(from, merged, node.id), ...own]);
  }

  #say(stream: MapStream, members: readonly string[]): void {
    if (members.length === 0) return;
    const message = new Message(`{${members.join(',')}}`, this.#facts.compress);
    this.#write(stream, [message.bytes(stream.encoding)]);
  }

  /** What waits for one stream alone, as members of its next message. */
  #ownOf(stream: MapStream, node: Node): string[] {
    const members: string[] = [];
    if (stream.selfChanged) members.push(this.#selfMember(node));
    if (stream.ownChanged) members.push(...this.#options.ownMembers(node));
    stream.selfChanged = false;
    stream.ownChanged = false;
    const waiting = stream.waiting.shift();
    if (waiting !== undefined) members.push(waiting);
    if (stream.waiting.length > 0) this.#pending.add(stream);
    return members;
  }

  #whole(view: ClassView, node: Node): Piece[] {
    this.#views.settle(view);
    const own = [
      this.#selfMember(node),
      mapMember('ControlTime', formatTime(this.#facts.now())),
      ...this.#options.firstMembers(),
      ...this.#options.ownMembers(node),
    ];
    return view.whole(node.id, own.join(','));
  }

  #selfMember(node: Node): string {
    const routes = this.#facts.served(node.id);
    this.#served.set(node.id, routes.join());
    return this.#encodeSelf(node, routes);
  }

  #encodeSelf(node: Node, routes: readonly string[]): string {
    const { naming, now, usesIpv4 } = this.#facts;
    const granted = { routes, capMap: this.#options.capMap(node), ipv4: usesIpv4(node) };
    return `"Node":${encodeSelf(node, granted, naming, now())}`;
  }

  #write(stream: MapStream, pieces: readonly Uint8Array[]): void {
    this.counters.messages++;
    for (const piece of pieces) this.counters.bytes += piece.length;
    if (!stream.sink.write(pieces)) stream.busy = true;
  }

  /** Forgets what all readers of a view were told. */
  #trim({ log }: ClassView, readers: Iterable<MapStream> = []): void {
    if (log.length < TRIM_ENTRIES) return;
    let slowest = log.head;
    for (const { started, cursor } of readers) if (started) slowest = Math.min(slowest, cursor);
    log.trim(slowest);
  }
}

/** Rules may have forgotten the class of a node that is deleted before fan-out comes to it. */
function isDeletion({ table, after }: Change): boolean {
  return table === 'node' && after === undefined;
}

/** With its own entry a node is told whose it is, unless it knows from its peers. */
function ownersFor({ selfChanged, view, nodeId }: MapStream): readonly UserId[] {
  return selfChanged ? view.unseenOwner(nodeId) : [];
}

function canBeServed(stream: MapStream): boolean {
  return stream.started && !stream.busy && !stream.ended;
}

/** Endpoints and discovery keys are the node's own news; the rest it must be told. */
function selfDiffers(fields: number): boolean {
  return (fields & (WHOLE_NODE | PatchField.expiry)) !== 0;
}
