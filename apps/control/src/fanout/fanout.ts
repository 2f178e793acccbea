/**
 * Tells every open map stream what has changed, once, in as few bytes as possible.
 *
 * Sans-IO: the driver passes in time, compression, sinks, and a way to be called back. The first change
 * goes out at once; what comes while it is being sent is merged, and the next flush waits half of what
 * the last one took. One that takes longer than {@link SLICE_MS} lets others use the thread, and goes on with the
 * streams that have not had their turn. New streams are gathered for {@link GATHER_MS}, so that a storm shares its work.
 */
import type { Node, NodeId } from '@malla/netmap/node';
import {
  type CapMap,
  diffForPeers,
  encodeSelf,
  PatchField,
  WHOLE_NODE,
} from '@malla/netmap/tailcfg-node';
import { TAGGED_DEVICES, type UserId } from '@malla/netmap/user';
import { formatTime } from '@malla/wire/tailcfg/json';
import type { Change } from '../core/change.ts';
import { Common } from './change-log.ts';
import { ClassView, type Facts, PeerTexts, type ViewSource } from './class-view.ts';
import { type Encoding, frame, Message, Piece } from './message.ts';
import { MapStream, type StreamSink } from './map-stream.ts';
import type { ClassKey, Rules } from './rules.ts';

/** How long new streams are gathered, ms. */
export const GATHER_MS = 15;
/** And for this many times as long as the last flush took: each first map spoils blocks of peers. */
const GATHER_FACTOR = 2;
/** Longest wait between two flushes, ms. */
export const MAX_GAP_MS = 250;
/** After which others may use the thread while open streams are told of a change, ms. */
export const SLICE_MS = 25;

export interface FanoutOptions {
  /** Nodes are not asked for: they are those of the changes that were applied here. */
  readonly facts: Omit<Facts, 'node'>;
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

/** What a change of rules, or of what they look at, has touched; a policy engine's effects. */
export interface RulesChange {
  /** Nodes that belong to another class now. */
  readonly reclassed: Iterable<NodeId>;
  /** Parts of packet filters that differ, by class. */
  readonly filters: ReadonlyMap<ClassKey, ReadonlySet<string>>;
  /** Classes whose SSH policy differs. */
  readonly ssh: Iterable<ClassKey>;
  /** Nodes that have other capabilities. */
  readonly attributes: Iterable<NodeId>;
  /** Whether classes that existed before may see others, or other routes, now. */
  readonly visibility: boolean;
}

/** Nodes whose class is another one, and what else has changed of them, as in the log. */
type Moved = Map<NodeId, number>;

export class Fanout {
  #rules: Rules;
  readonly #options: FanoutOptions;
  readonly #facts: Facts;
  /**
   * As the changes told here left them. The state is ahead of that while a change is being stored, and
   * nobody may be told what a failing disk would take back.
   */
  readonly #nodes = new Map<NodeId, Node>();
  readonly #texts: PeerTexts;
  readonly #views = new Map<ClassKey, ClassView>();
  /** Views of classes that are gone, as long as a stream must still be told what differs from them. */
  readonly #leftViews = new Set<ClassView>();
  readonly #source: ViewSource;
  readonly #classOf = new Map<NodeId, ClassKey>();
  readonly #members = new Map<ClassKey, Set<NodeId>>();
  /** The routes that nodes were last told that they serve. */
  readonly #served = new Map<NodeId, string>();
  readonly #streams = new Map<NodeId, MapStream>();
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
  #allDirty = false;
  #notBefore = 0;
  #lastFlushMs = 0;
  readonly #keepAlive: Message;

  constructor(options: FanoutOptions, nodes: Iterable<Node>) {
    this.#options = options;
    this.#rules = options.rules;
    this.#facts = { ...options.facts, node: (id) => this.#nodes.get(id) };
    this.#texts = new PeerTexts(this.#facts);
    this.#source = { facts: this.#facts, texts: this.#texts, rules: () => this.#rules };
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
    this.#due.delete(stream);
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

  /** Rows have changed; `rules` is what that has touched beyond them. */
  apply(changes: readonly Change[], rules?: RulesChange): void {
    const moved: Moved = new Map();
    for (const id of rules?.reclassed ?? []) moved.set(id, 0);
    for (const change of changes) {
      if (change.table === 'node') this.#nodeChanged(change.id, change.after, moved);
      else if (change.table === 'user' && change.after !== undefined) this.#userChanged(change.id);
    }
    const made = this.#move(moved);
    if (rules !== undefined) this.#rulesChanged(rules, made);
  }

  /** Other rules hold from now on, that name their classes otherwise. */
  setRules(rules: Rules): void {
    // What nodes are granted may differ as well: told by the views that their viewers still know.
    for (const id of this.#nodes.keys()) {
      if (this.#texts.renew(id)) this.#tellViewers(id, WHOLE_NODE);
    }
    this.#rules = rules;
    this.#move(new Map([...this.#nodes.keys()].map((id) => [id, 0])));
    this.ownChanged(this.#nodes.keys());
  }

  /** Nodes serve other routes than before, or are used for them by other viewers. */
  servedChanged(ids: Iterable<NodeId>): void {
    for (const id of ids) {
      for (const view of this.#views.values()) view.routesMayDiffer(id);
      if (this.#facts.served(id).join() !== this.#served.get(id)) this.#selfChanged(id);
    }
    this.#everyone();
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
    this.#texts.drop(node.id);
    this.#tellViewers(node.id, whole ? WHOLE_NODE : PatchField.online);
    if (whole) this.#selfChanged(node.id);
  }

  /** Shared parts have changed, bits of `Common`. */
  commonChanged(parts: number): void {
    for (const view of this.#allViews()) view.log.append({ kind: 'common', parts });
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
    const members = [this.#encodeSelf(node, []), ...this.#options.firstMembers()];
    return frame([new Piece(`{${members.join(',')}}`, this.#facts.compress)], encoding);
  }

  #nodeChanged(id: NodeId, after: Node | undefined, moved: Moved): void {
    const before = this.#nodes.get(id);
    this.#texts.drop(id);
    if (after === undefined) {
      moved.delete(id);
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
    const key = this.#classKey(before);
    const fields = diffForPeers(before, after, this.#facts.now());
    if (this.#rules.classOf(after) !== key) moved.set(id, (moved.get(id) ?? 0) | fields);
    else if (fields !== 0) this.#tellViewers(after.id, fields);
    if (selfDiffers(fields)) this.#selfChanged(after.id);
  }

  #userChanged(id: UserId): void {
    for (const view of this.#allViews()) view.userChanged(id);
    for (const { nodeId, view } of this.#streams.values()) {
      if (view.unseenOwner(nodeId).includes(id)) this.#selfChanged(nodeId);
    }
    this.#everyone();
  }

  /** Views that were `made` under the changed rules are as these say, and nobody has been told otherwise. */
  #rulesChanged(change: RulesChange, made: ReadonlySet<ClassView>): void {
    const known = (key: ClassKey): ClassView | undefined => {
      const view = this.#views.get(key);
      return view === undefined || made.has(view) ? undefined : view;
    };
    if (change.visibility) this.#visibilityChanged(made);
    for (const [key, names] of change.filters) {
      const log = known(key)?.log;
      if (log !== undefined) for (const name of names) log.append({ kind: 'filter', name });
    }
    for (const key of change.ssh) known(key)?.log.append({ kind: 'common', parts: Common.ssh });
    for (const id of change.attributes) {
      if (!this.#nodes.has(id)) continue;
      this.#texts.drop(id);
      this.#tellViewers(id, WHOLE_NODE);
    }
    this.ownChanged(change.attributes);
    this.#everyone();
  }

  /** Nodes that belong to another class now: who sees them, and what they see, is another. Returns the views of new classes. */
  #move(ids: Moved): ReadonlySet<ClassView> {
    const made = new Set<ClassView>();
    const arrivals = new Map<ClassKey, NodeId[]>();
    for (const id of ids.keys()) {
      const node = this.#nodes.get(id);
      const from = this.#classOf.get(id);
      if (node === undefined || from === undefined) continue;
      const to = this.#rules.classOf(node);
      if (to === from) continue;
      this.#leave(id, from);
      this.#join(id, to);
      const arrived = arrivals.get(to);
      if (arrived === undefined) arrivals.set(to, [id]);
      else arrived.push(id);
    }
    if (arrivals.size === 0) return made;
    const changed = [...arrivals.values()].flat().filter((id) => ids.get(id) !== 0);
    for (const view of this.#leftViews) {
      for (const id of changed) view.changed(id, ids.get(id) ?? 0);
    }
    for (const [key, arrived] of arrivals) {
      const viewers = new Set(this.#rules.seenBy(key));
      for (const [viewer, view] of this.#views) {
        const sees = viewers.has(viewer);
        for (const id of arrived) this.#reconcile(view, id, sees, ids.get(id) ?? 0);
      }
    }
    for (const [key, arrived] of arrivals) {
      const isKnown = this.#views.has(key);
      const view = this.#viewOf(key);
      if (!isKnown) made.add(view);
      for (const id of arrived) this.#streams.get(id)?.moveTo(view);
    }
    this.#everyone();
    return made;
  }

  /** Who sees whom may have changed, for all classes but those `made` just now. Nodes of a class are seen alike, so one stands for all. */
  #visibilityChanged(made: ReadonlySet<ClassView>): void {
    const routers = [...this.#nodes.keys()].filter((id) => this.#facts.mayServe(id));
    const classes = [...this.#members].map(([key, members]) => {
      const [first] = members;
      return { key, first, members };
    });
    for (const [viewer, view] of this.#views) {
      if (made.has(view)) continue;
      const seen = new Set(this.#rules.seenBy(viewer));
      for (const { key, first, members } of classes) {
        const sees = seen.has(key);
        if (first === undefined || view.peers.has(first) === sees) continue;
        for (const id of members) this.#reconcile(view, id, sees, 0);
      }
      for (const id of routers) view.routesMayDiffer(id);
    }
    this.#everyone();
  }

  /** Makes a view hold a node or not, and tells it what has changed of one that it goes on to hold. */
  #reconcile(view: ClassView, id: NodeId, sees: boolean, fields: number): void {
    if (!sees) view.gone(id);
    else if (!view.peers.has(id)) {
      view.appeared(id, this.#nodes.get(id)?.userId ?? TAGGED_DEVICES.id);
    } else if (fields === 0) view.routesMayDiffer(id);
    else view.changed(id, fields);
  }

  /** A client that is told its key has expired asks for a login; one that is told nothing tries for ever. */
  #deleted(node: Node): void {
    const stream = this.#streams.get(node.id);
    if (stream !== undefined) {
      const gone = { ...node, expiry: this.#facts.now() };
      this.#write(stream, this.selfOnly(gone, stream.encoding));
    }
    this.#nodes.delete(node.id);
    this.#served.delete(node.id);
    this.#disappear(node.id);
  }

  #appear(node: Node): void {
    const key = this.#rules.classOf(node);
    this.#nodes.set(node.id, node);
    this.#join(node.id, key);
    this.#viewOf(key);
    const owner = node.userId ?? TAGGED_DEVICES.id;
    for (const viewer of this.#rules.seenBy(key)) {
      this.#views.get(viewer)?.appeared(node.id, owner);
    }
    this.#everyone();
  }

  #disappear(id: NodeId): void {
    const key = this.#classOf.get(id);
    for (const view of this.#allViews()) view.gone(id);
    // What the node itself may see has ended with its class.
    this.close(this.#streams.get(id));
    if (key !== undefined) this.#leave(id, key);
    this.#everyone();
  }

  #join(id: NodeId, key: ClassKey): void {
    this.#classOf.set(id, key);
    const members = this.#members.get(key);
    if (members === undefined) this.#members.set(key, new Set([id]));
    else members.add(id);
  }

  /** A class without nodes is forgotten; its view stays for streams that are to be told how theirs differs from it. */
  #leave(id: NodeId, key: ClassKey): void {
    this.#classOf.delete(id);
    const members = this.#members.get(key);
    members?.delete(id);
    if (members === undefined || members.size > 0) return;
    this.#members.delete(key);
    const view = this.#views.get(key);
    if (view !== undefined && this.#streams.size > 0) this.#leftViews.add(view);
    this.#views.delete(key);
  }

  *#allViews(): IterableIterator<ClassView> {
    yield* this.#views.values();
    yield* this.#leftViews;
  }

  #tellViewers(id: NodeId, fields: number): void {
    for (const view of this.#allViews()) view.changed(id, fields);
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
    return this.#classOf.get(node.id) ?? this.#rules.classOf(node);
  }

  #viewOf(key: ClassKey): ClassView {
    let view = this.#views.get(key);
    if (view === undefined) {
      view = new ClassView(key, this.#source);
      this.#views.set(key, view);
      for (const seen of this.#rules.seenBy(key)) {
        for (const id of this.#members.get(seen) ?? []) view.hold(id);
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
    for (const stream of this.#allDirty ? this.#streams.values() : this.#pending) {
      this.#due.add(stream);
    }
    this.#allDirty = false;
    this.#pending.clear();
    for (const stream of this.#due) {
      this.#due.delete(stream);
      if (!canBeServed(stream)) continue;
      this.#serve(stream);
      if (this.#options.monotonic() - began >= SLICE_MS) break;
    }
    if (began >= this.#gatherUntil) {
      for (const stream of this.#newcomers) this.#begin(stream);
      this.#newcomers.clear();
    }
    this.#trim();
    const ended = this.#options.monotonic();
    this.#lastFlushMs = ended - began;
    // Others have the thread between two slices as well; waiting is for what comes meanwhile.
    const gap = this.#due.size > 0 ? 0 : Math.min(this.#lastFlushMs / 2, MAX_GAP_MS);
    this.#notBefore = ended + gap;
    if (this.#newcomers.size > 0) this.#wakeAt(this.#gatherUntil);
    if (this.#pending.size + this.#due.size > 0) this.#wake();
  }

  /** The first map of a stream. */
  #begin(stream: MapStream): void {
    const node = this.#nodes.get(stream.nodeId);
    if (node === undefined) return this.close(stream);
    stream.started = true;
    stream.cursor = stream.view.log.head;
    stream.selfChanged = false;
    stream.ownChanged = false;
    this.#write(stream, frame(this.#whole(stream.view, node), stream.encoding));
    if (stream.waiting.length > 0) this.#pending.add(stream);
  }

  #serve(stream: MapStream): void {
    const node = this.#nodes.get(stream.nodeId);
    if (node === undefined) return this.close(stream);
    const { from } = stream;
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
    const merged = from.log.since(stream.cursor);
    if (merged === undefined) return this.close(stream);
    stream.from = undefined;
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
    const own = [
      this.#selfMember(node),
      `"ControlTime":"${formatTime(this.#facts.now())}"`,
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

  #trim(): void {
    const slowest = new Map<ClassView, number>();
    for (const stream of this.#streams.values()) {
      if (!stream.started) continue;
      const view = stream.from ?? stream.view;
      slowest.set(view, Math.min(slowest.get(view) ?? Infinity, stream.cursor));
    }
    for (const view of this.#allViews()) view.log.trim(slowest.get(view) ?? view.log.head);
    for (const view of this.#leftViews) if (!slowest.has(view)) this.#leftViews.delete(view);
  }
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
