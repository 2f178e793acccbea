/**
 * Which peer an address belongs to, both ways: where a packet goes by its destination, and from whom one may
 * come by its source. A prefix is of one peer at a time, that which claimed it last; of several around an
 * address the longest counts.
 *
 * Source: WireGuard paper §2 ("cryptokey routing").
 */
import { addressBytes, type Family } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';
import { PrefixTrie } from './prefix-trie.ts';

export class AllowedIps<Peer> {
  readonly #v4 = new PrefixTrie<Peer>(1);
  readonly #v6 = new PrefixTrie<Peer>(4);

  /** How many prefixes there are. */
  get size(): number {
    return this.#v4.size + this.#v6.size;
  }

  /** Nodes of both tries, used or kept for later. */
  get nodes(): number {
    return this.#v4.nodes + this.#v6.nodes;
  }

  /** Whose the address at `at` is, in network order. */
  peerOf(family: Family, bytes: Uint8Array, at: number): Peer | undefined {
    return (family === 4 ? this.#v4 : this.#v6).longest(bytes, at);
  }

  /** Gives a prefix to a peer, whoever had it. */
  claim(prefix: Prefix, peer: Peer): void {
    this.#trie(prefix).set(addressBytes(prefix.network), prefix.bits, peer);
  }

  /** Takes a prefix from a peer, if that has it still. */
  release(prefix: Prefix, peer: Peer): void {
    const network = addressBytes(prefix.network);
    const trie = this.#trie(prefix);
    if (trie.get(network, prefix.bits) === peer) trie.delete(network, prefix.bits);
  }

  #trie(prefix: Prefix): PrefixTrie<Peer> {
    return prefix.network.family === 4 ? this.#v4 : this.#v6;
  }
}
