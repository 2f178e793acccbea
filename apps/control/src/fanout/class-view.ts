/**
 * What one class of viewers knows: the peers it sees, the log of what changed, and the encoded forms
 * that its streams share.
 */
import type { Node, NodeId } from '@malla/netmap/node';
import {
  encodePatch,
  encodePeer,
  type Naming,
  type Presence,
  WHOLE_NODE,
} from '@malla/netmap/tailcfg-node';
import { encodeUserProfile } from '@malla/netmap/tailcfg-user';
import { TAGGED_DEVICES, type User, type UserId } from '@malla/netmap/user';
import { mapMember } from '@malla/wire/tailcfg/map-response';
import type { CapMap } from '@malla/wire/tailcfg/node';
import { ChangeLog, Common, type LogEntry, type Merged } from './change-log.ts';
import { type Compress, Message, Piece } from './message.ts';
import { Peers } from './peers.ts';
import type { ClassKey, Rules } from './rules.ts';

/** What a view reads; always the present. */
export interface Facts {
  readonly node: (id: NodeId) => Node | undefined;
  readonly user: (id: UserId) => User | undefined;
  /** The nodes that a user owns. */
  readonly nodesOfUser: (id: UserId) => Iterable<Node>;
  readonly presence: (id: NodeId) => Presence;
  /** The prefixes a node serves now, canonical text. */
  readonly served: (id: NodeId) => readonly string[];
  /** Whether a node could serve prefixes that it does not serve now: rules may send some viewers there. */
  readonly mayServe: (id: NodeId) => boolean;
  /** Whether a node uses its IPv4 address, if it has one of IPv6 as well. */
  readonly usesIpv4: (node: Node) => boolean;
  /** Capabilities of a node that its peers must know of. */
  readonly peerCapMap: (node: Node) => CapMap | undefined;
  readonly naming: Naming;
  /** Unix ms. */
  readonly now: () => number;
  /** Those of the asked parts that are the same for all nodes: whole `"Field":value` members. */
  readonly commonMembers: (parts: number) => readonly string[];
  readonly compress: Compress;
}

/**
 * The JSON of nodes as peers, encoded once per version for all who see them alike: viewers differ only
 * in which routes of a router they may use, and in whether they are told IPv4 addresses.
 */
export class PeerTexts {
  readonly #facts: Facts;
  readonly #texts = new Map<NodeId, Map<string, PeerText>>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  of(id: NodeId, routes: readonly string[], ipv4: boolean): string {
    let variants = this.#texts.get(id);
    if (variants === undefined) this.#texts.set(id, (variants = new Map()));
    const variant = `${ipv4 ? 4 : 6},${routes.join()}`;
    let text = variants.get(variant)?.text;
    if (text === undefined) {
      const { presence, naming, now, peerCapMap, usesIpv4 } = this.#facts;
      const node = this.#facts.node(id);
      // Views hold only nodes that exist: gone() comes with the deletion.
      if (node === undefined) throw new Error(`node ${id} is in a view and not in the state`);
      const granted = { routes, capMap: peerCapMap(node), ipv4: ipv4 && usesIpv4(node) };
      text = encodePeer(node, presence(id), naming, now(), granted);
      variants.set(variant, { routes, ipv4, text });
    }
    return text;
  }

  /** Makes the texts of a node that were sent anew. Whether one of them differs now. */
  renew(id: NodeId): boolean {
    const sent = this.#texts.get(id)?.values() ?? [];
    this.drop(id);
    let differs = false;
    for (const { routes, ipv4, text } of sent) {
      differs = this.of(id, routes, ipv4) !== text || differs;
    }
    return differs;
  }

  /** Anything that peers are told of the node has changed. */
  drop(id: NodeId): void {
    this.#texts.delete(id);
  }
}

/** What one is made of besides the node, and the text. */
interface PeerText {
  readonly routes: readonly string[];
  readonly ipv4: boolean;
  readonly text: string;
}

/** A pending change, encoded for everyone at the same cursor who is not in it. */
export interface Delta {
  readonly merged: Merged;
  /** Undefined where nothing is left to say. */
  readonly message: Message | undefined;
}

/** Every part of {@link Common}. */
export const ALL_COMMON = Common.derpMap | Common.dns | Common.ssh;

/** Takes away all parts of a packet filter that a client may have. */
const NO_FILTERS = '"*":null';

/** Encoded deltas that are kept, one for each cursor: most streams are at one of a few. */
const MAX_DELTAS = 64;

/** What all whole maps of a class have before and behind their peers, as the log at `head` says. */
interface Frame {
  readonly head: number;
  readonly opening: Piece;
  /** An end of the peers, and a list of profiles that is still open. */
  readonly profiles: Piece;
}

/** What views share: the facts, the rules in force, and the texts of peers. */
export interface ViewSource {
  readonly facts: Facts;
  readonly texts: PeerTexts;
  readonly rules: () => Rules;
  /** Whether a stream is told what its log says. */
  readonly isRead: (view: ClassView) => boolean;
  /** The log of a view that is read has another entry. */
  readonly onNoted: (view: ClassView) => void;
}

export class ClassView {
  readonly key: ClassKey;
  readonly log = new ChangeLog();
  readonly peers: Peers;
  readonly #source: ViewSource;
  readonly #facts: Facts;
  readonly #ipv4: boolean;
  readonly #deltas = new Map<number, Delta | undefined>();
  /** Which routes of each router the viewers were told that they may use. */
  readonly #routes = new Map<NodeId, readonly string[]>();
  #deltasHead = 0;
  #frame: Frame | undefined;

  constructor(key: ClassKey, source: ViewSource) {
    this.key = key;
    this.#source = source;
    this.#facts = source.facts;
    this.#ipv4 = source.rules().tellsIpv4(key);
    this.peers = new Peers((id) => this.#text(id), source.facts.compress);
  }

  /** Holds a node from the beginning: nobody has been told anything yet. */
  hold(id: NodeId): void {
    this.#noteRoutes(id);
    this.peers.add(id);
  }

  /** A node comes to be seen, and with it its owner: a stream that came later may not know who that is. */
  appeared(id: NodeId, owner: UserId): void {
    this.note({ kind: 'user', id: owner });
    this.#noteRoutes(id);
    this.peers.add(id);
    this.note({ kind: 'node', id, fields: WHOLE_NODE });
  }

  /** A node that this class sees has changed; `fields` as in the log. */
  changed(id: NodeId, fields: number): void {
    if (!this.peers.has(id)) return;
    const told = this.#noteRoutes(id) ? WHOLE_NODE : fields;
    if (told & WHOLE_NODE) this.note({ kind: 'user', id: this.#ownerOf(id) });
    this.peers.changed(id);
    this.note({ kind: 'node', id, fields: told });
  }

  /** Which routes may be used has perhaps changed, by the rules. */
  routesMayDiffer(id: NodeId): void {
    if (this.peers.has(id) && this.#noteRoutes(id)) this.changed(id, WHOLE_NODE);
  }

  /** A node is no longer seen. */
  gone(id: NodeId): void {
    if (!this.peers.has(id)) return;
    this.#routes.delete(id);
    this.peers.remove(id);
    this.note({ kind: 'node', id, fields: WHOLE_NODE });
  }

  /** Notes what viewers must be told. */
  note(entry: LogEntry): void {
    const isRead = this.#source.isRead(this);
    this.log.append(entry, isRead);
    if (isRead) this.#source.onNoted(this);
  }

  /**
   * The whole map for a node of this class, as message pieces: what all share, every peer but itself,
   * and `own` members (`"Node":…`) last.
   */
  whole(self: NodeId, own: string): Piece[] {
    const { opening, profiles } = this.#wholeFrame();
    const owner = this.unseenOwner(self).map((id) => `,${this.#profile(id)}`);
    const closing = new Piece(`${owner.join('')}],${own}}`, this.#facts.compress);
    return [opening, ...this.peers.piecesWithout(self), profiles, closing];
  }

  /** Whose a node of this class is where they do not see each other: one thing that it does not learn from its peers. */
  unseenOwner(self: NodeId): readonly UserId[] {
    return this.peers.has(self) ? [] : [this.#ownerOf(self)];
  }

  /** What a stream at `cursor` has not been told; undefined when it is too far behind. */
  since(cursor: number): Delta | undefined {
    if (this.#deltasHead !== this.log.head) {
      this.#deltas.clear();
      this.#deltasHead = this.log.head;
    }
    if (!this.#deltas.has(cursor)) {
      const oldest = this.#deltas.keys().next();
      if (this.#deltas.size >= MAX_DELTAS && !oldest.done) this.#deltas.delete(oldest.value);
      const merged = this.log.since(cursor);
      this.#deltas.set(cursor, merged === undefined ? undefined : this.#delta(merged));
    }
    return this.#deltas.get(cursor);
  }

  /** The members of a delta message, without what concerns `except`, and with the profiles of `owners`. */
  members(merged: Merged, except: NodeId | undefined, owners: readonly UserId[] = []): string[] {
    const changed: string[] = [];
    const removed: NodeId[] = [];
    const patches: string[] = [];
    for (const [id, fields] of merged.nodes) {
      if (id === except) continue;
      const node = this.#facts.node(id);
      if (node === undefined || !this.peers.has(id)) removed.push(id);
      else if (fields & WHOLE_NODE) changed.push(this.#text(id));
      else patches.push(encodePatch(node, this.#facts.presence(id), fields));
    }
    const out = this.#shared(merged.common);
    if (merged.filters.size > 0) out.push(this.#filterMember(merged.filters));
    const users = new Set([...merged.users, ...owners]);
    if (users.size > 0) out.push(this.#profiles(users));
    if (removed.length > 0) out.push(mapMember('PeersRemoved', removed));
    if (changed.length > 0) out.push(`"PeersChanged":[${changed.join(',')}]`);
    if (patches.length > 0) out.push(`"PeersChangedPatch":[${patches.join(',')}]`);
    return out;
  }

  /**
   * What a node must be told that belonged to the class of another view until now, with whose it is:
   * `merged` is what it had not been told there yet.
   */
  membersAfter(from: ClassView, merged: Merged, self: NodeId): string[] {
    const removed: NodeId[] = [];
    const changed: NodeId[] = [];
    for (const id of new Set([...from.peers.ids(), ...merged.nodes.keys()])) {
      if (id !== self && !this.peers.has(id)) removed.push(id);
    }
    for (const id of this.peers.ids()) {
      if (id === self) continue;
      const known = from.#ipv4 === this.#ipv4 && from.peers.has(id) && !merged.nodes.has(id);
      if (!known || !sameRoutes(from.#routes.get(id), this.#routes.get(id))) changed.push(id);
    }
    const owners = [self, ...changed].map((id) => this.#ownerOf(id));
    const users = new Set([...merged.users, ...owners]);
    const out = this.#shared(merged.common | Common.ssh);
    out.push(this.#filterMember(undefined, [NO_FILTERS]));
    out.push(this.#profiles(users));
    if (removed.length > 0) out.push(mapMember('PeersRemoved', removed));
    if (changed.length > 0) {
      out.push(`"PeersChanged":[${changed.map((id) => this.#text(id)).join(',')}]`);
    }
    return out;
  }

  #text(id: NodeId): string {
    return this.#source.texts.of(id, this.#routes.get(id) ?? NO_ROUTES, this.#ipv4);
  }

  /** Takes down which routes of a node viewers may use; whether that has changed. */
  #noteRoutes(id: NodeId): boolean {
    const served = this.#facts.served(id);
    const before = this.#routes.get(id);
    if (served.length === 0 && before === undefined && !this.#facts.mayServe(id)) return false;
    const visible = this.#source.rules().visibleRoutes(this.key, id, served);
    if (visible.length === 0) this.#routes.delete(id);
    else this.#routes.set(id, visible);
    return !sameRoutes(before, visible);
  }

  #ownerOf(id: NodeId): UserId {
    return this.#facts.node(id)?.userId ?? TAGGED_DEVICES.id;
  }

  #delta(merged: Merged): Delta {
    const members = this.members(merged, undefined);
    if (members.length === 0) return { merged, message: undefined };
    return { merged, message: new Message(`{${members.join(',')}}`, this.#facts.compress) };
  }

  #wholeFrame(): Frame {
    if (this.#frame?.head !== this.log.head) {
      const { compress } = this.#facts;
      // Never an empty list: another profile may follow.
      const users = new Set<UserId>([TAGGED_DEVICES.id]);
      for (const id of this.peers.ids()) users.add(this.#ownerOf(id));
      const members = [...this.#shared(ALL_COMMON), this.#filterMember(undefined)];
      const opening = new Piece(`{${members.join(',')},"Peers":[`, compress);
      const profiles = new Piece(`],${this.#profiles(users).slice(0, -1)}`, compress);
      this.#frame = { head: this.log.head, opening, profiles };
    }
    return this.#frame;
  }

  /** The asked parts of {@link Common}. */
  #shared(parts: number): string[] {
    const out = [...this.#facts.commonMembers(parts)];
    if (parts & Common.ssh) out.push(`"SSHPolicy":${this.#source.rules().ssh(this.key)}`);
    return out;
  }

  /** The named parts of the packet filter, or all of them; `first` comes before them. */
  #filterMember(names: Iterable<string> | undefined, first: readonly string[] = []): string {
    const filter = this.#source.rules().filter(this.key);
    const parts = [...first];
    for (const name of names ?? filter.keys()) {
      parts.push(`${JSON.stringify(name)}:${filter.get(name) ?? 'null'}`);
    }
    return `"PacketFilters":{${parts.join(',')}}`;
  }

  #profiles(users: Iterable<UserId>): string {
    return `"UserProfiles":[${[...users].map((id) => this.#profile(id)).join(',')}]`;
  }

  #profile(id: UserId): string {
    return encodeUserProfile(id, this.#facts.user(id));
  }
}

const NO_ROUTES: readonly string[] = [];

function sameRoutes(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return (a ?? NO_ROUTES).join() === (b ?? NO_ROUTES).join();
}
