/**
 * The nodes that a class of viewers sees, ready to send: their JSON encoded once per version, joined
 * and compressed in blocks of {@link BLOCK} so that a change spoils only one block.
 */
import type { NodeId } from '@malla/netmap/node';
import { type Compress, Piece } from './message.ts';

/** Peers in a block: large enough to compress well, small enough that one change costs little. */
export const BLOCK = 64;

interface Block {
  readonly ids: NodeId[];
  /** All peers of the block, followed by a comma, and the same without it. */
  open: Piece | undefined;
  closed: Piece | undefined;
}

export class Peers {
  readonly #encode: (id: NodeId) => string;
  readonly #compress: Compress;
  readonly #blocks: Block[] = [];
  readonly #blockOf = new Map<NodeId, Block>();

  /** `encode` gives the present JSON of a node; it is asked once per block version. */
  constructor(encode: (id: NodeId) => string, compress: Compress) {
    this.#encode = encode;
    this.#compress = compress;
  }

  has(id: NodeId): boolean {
    return this.#blockOf.has(id);
  }

  ids(): IterableIterator<NodeId> {
    return this.#blockOf.keys();
  }

  add(id: NodeId): void {
    if (this.#blockOf.has(id)) return;
    let block = this.#blocks.at(-1);
    // Where nodes come and go, blocks would otherwise become many and small.
    if (!hasRoom(block)) block = this.#blocks.find(hasRoom);
    if (block === undefined) {
      block = { ids: [], open: undefined, closed: undefined };
      this.#blocks.push(block);
    }
    block.ids.push(id);
    this.#blockOf.set(id, block);
    spoil(block);
  }

  remove(id: NodeId): void {
    const block = this.#blockOf.get(id);
    if (block === undefined) return;
    this.#blockOf.delete(id);
    block.ids.splice(block.ids.indexOf(id), 1);
    spoil(block);
    if (block.ids.length === 0) this.#blocks.splice(this.#blocks.indexOf(block), 1);
  }

  /** The node's JSON has changed. */
  changed(id: NodeId): void {
    const block = this.#blockOf.get(id);
    if (block !== undefined) spoil(block);
  }

  /** The elements of a JSON array of all peers but one: cached pieces, and its own block made afresh. */
  piecesWithout(self: NodeId): Piece[] {
    const own = this.#blockOf.get(self);
    const others = this.#blocks.filter((block) => block !== own);
    const rest = own === undefined ? [] : own.ids.filter((id) => id !== self);
    const pieces: Piece[] = [];
    for (const [i, block] of others.entries()) {
      const last = i === others.length - 1 && rest.length === 0;
      pieces.push(last ? this.#closed(block) : this.#open(block));
    }
    if (rest.length > 0) pieces.push(new Piece(this.#join(rest), this.#compress));
    return pieces;
  }

  #open(block: Block): Piece {
    return (block.open ??= new Piece(`${this.#join(block.ids)},`, this.#compress));
  }

  #closed(block: Block): Piece {
    return (block.closed ??= new Piece(this.#join(block.ids), this.#compress));
  }

  #join(ids: readonly NodeId[]): string {
    return ids.map((id) => this.#encode(id)).join(',');
  }
}

function hasRoom(block: Block | undefined): boolean {
  return block !== undefined && block.ids.length < BLOCK;
}

function spoil(block: Block): void {
  block.open = undefined;
  block.closed = undefined;
}
