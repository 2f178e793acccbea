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
import { ChangeLog, Common, type Merged } from './change-log.ts';
import { type Compress, Message, Piece } from './message.ts';
import { Peers } from './peers.ts';

/** What a view reads; always the present. */
export interface Facts {
  readonly node: (id: NodeId) => Node | undefined;
  readonly user: (id: UserId) => User | undefined;
  readonly presence: (id: NodeId) => Presence;
  readonly naming: Naming;
  /** Unix ms. */
  readonly now: () => number;
  /** The JSON of shared parts: whole `"Field":value` members, joined by commas. */
  readonly commonMembers: (parts: number) => readonly string[];
  readonly compress: Compress;
}

/** The JSON of nodes as peers, encoded once per version for all who see them. */
export class PeerTexts {
  readonly #facts: Facts;
  readonly #texts = new Map<NodeId, string>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  of(id: NodeId): string {
    let text = this.#texts.get(id);
    if (text === undefined) {
      const node = this.#facts.node(id);
      // Views hold only nodes that exist: gone() comes with the deletion.
      if (node === undefined) throw new Error(`node ${id} is in a view and not in the state`);
      text = encodePeer(node, this.#facts.presence(id), this.#facts.naming, this.#facts.now());
      this.#texts.set(id, text);
    }
    return text;
  }

  /** The node, or whether it is online, has changed. */
  drop(id: NodeId): void {
    this.#texts.delete(id);
  }
}

/** A pending change, encoded for everyone at the same cursor who is not in it. */
export interface Delta {
  readonly merged: Merged;
  /** Undefined where nothing is left to say. */
  readonly message: Message | undefined;
}

/** Every part of {@link Common}. */
export const ALL_COMMON = Common.derpMap | Common.dns | Common.filter;

/** Encoded deltas that are kept, one for each cursor: most streams are at one of a few. */
const MAX_DELTAS = 64;

export class ClassView {
  readonly log = new ChangeLog();
  readonly peers: Peers;
  readonly #facts: Facts;
  readonly #texts: PeerTexts;
  readonly #deltas = new Map<number, Delta | undefined>();
  /** Owners that viewers were told of; told anew to each in its first map. */
  readonly #owners = new Set<UserId>();
  #deltasHead = 0;
  #opening: { readonly head: number; readonly piece: Piece } | undefined;

  constructor(facts: Facts, texts: PeerTexts) {
    this.#facts = facts;
    this.#texts = texts;
    this.peers = new Peers((id) => texts.of(id), facts.compress);
  }

  /** A node comes to be seen, and with the first of its owner the owner. */
  appeared(id: NodeId, owner: UserId): void {
    this.#introduce(owner);
    this.peers.add(id);
    this.log.append({ kind: 'node', id, fields: WHOLE_NODE });
  }

  /** A node that this class sees has changed; `fields` as in the log. */
  changed(id: NodeId, fields: number): void {
    if (!this.peers.has(id)) return;
    this.#introduce(this.#facts.node(id)?.userId ?? TAGGED_DEVICES.id);
    this.peers.changed(id);
    this.log.append({ kind: 'node', id, fields });
  }

  /** A node is no longer seen. */
  gone(id: NodeId): void {
    if (!this.peers.has(id)) return;
    this.peers.remove(id);
    this.log.append({ kind: 'node', id, fields: WHOLE_NODE });
  }

  /** A user has changed; it is told only where a node of that user was seen. */
  userChanged(id: UserId): void {
    if (this.#owners.has(id)) this.log.append({ kind: 'user', id });
  }

  /**
   * The whole map for a node of this class, as message pieces: what all share, every peer but itself,
   * and `own` members (`"Node":…`) last.
   */
  whole(self: NodeId, own: string): Piece[] {
    const closing = new Piece(`],${own}}`, this.#facts.compress);
    return [this.#openingPiece(), ...this.peers.piecesWithout(self), closing];
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

  /** The members of a delta message, without what concerns `except`. */
  members(merged: Merged, except: NodeId | undefined): string[] {
    const changed: string[] = [];
    const removed: NodeId[] = [];
    const patches: string[] = [];
    for (const [id, fields] of merged.nodes) {
      if (id === except) continue;
      const node = this.#facts.node(id);
      if (node === undefined || !this.peers.has(id)) removed.push(id);
      else if (fields & WHOLE_NODE) changed.push(this.#texts.of(id));
      else patches.push(encodePatch(node, this.#facts.presence(id), fields));
    }
    const out = [...this.#facts.commonMembers(merged.common)];
    if (merged.users.size > 0) {
      const profiles = [...merged.users].map((id) => encodeUserProfile(id, this.#facts.user(id)));
      out.push(`"UserProfiles":[${profiles.join(',')}]`);
    }
    if (removed.length > 0) out.push(`"PeersRemoved":[${removed.join(',')}]`);
    if (changed.length > 0) out.push(`"PeersChanged":[${changed.join(',')}]`);
    if (patches.length > 0) out.push(`"PeersChangedPatch":[${patches.join(',')}]`);
    return out;
  }

  #introduce(owner: UserId): void {
    if (this.#owners.has(owner)) return;
    this.#owners.add(owner);
    this.log.append({ kind: 'user', id: owner });
  }

  #delta(merged: Merged): Delta {
    const members = this.members(merged, undefined);
    if (members.length === 0) return { merged, message: undefined };
    return { merged, message: new Message(`{${members.join(',')}}`, this.#facts.compress) };
  }

  #openingPiece(): Piece {
    if (this.#opening?.head !== this.log.head) {
      const users = new Set<UserId>();
      for (const id of this.peers.ids()) {
        users.add(this.#facts.node(id)?.userId ?? TAGGED_DEVICES.id);
      }
      const profiles = [...users].map((id) => encodeUserProfile(id, this.#facts.user(id)));
      const members = [
        ...this.#facts.commonMembers(ALL_COMMON),
        `"UserProfiles":[${profiles.join(',')}]`,
      ];
      const text = `{${members.join(',')},"Peers":[`;
      this.#opening = { head: this.log.head, piece: new Piece(text, this.#facts.compress) };
    }
    return this.#opening.piece;
  }
}
