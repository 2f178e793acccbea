/**
 * Prefixes of one address family to values, looked up by the longest that an address is in: a binary trie of
 * which chains without a fork are one node. A look-up visits as many nodes as there are forks on its way, about
 * the logarithm of their number, and makes nothing. Nodes lie in one array of 32-bit numbers: 20 bytes each for
 * IPv4 and 32 for IPv6, at most two for a prefix.
 */

/** Of each node, behind the words of its address. 0 is no node. */
const BITS = 0;
const LEFT = 1;
const RIGHT = 2;
const FIELDS = 3;

export class PrefixTrie<Value> {
  /** Of an address. */
  readonly #words: number;
  readonly #stride: number;
  /** Node n begins at n times the stride. */
  #nodes: Int32Array;
  /** By node; undefined where it is only a fork. */
  readonly #values: (Value | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly #sought: Int32Array;
  #root = 0;
  #size = 0;

  /** 1 word of 32 bits for IPv4, 4 for IPv6. */
  constructor(words: 1 | 4) {
    this.#words = words;
    this.#stride = words + FIELDS;
    this.#nodes = new Int32Array(16 * this.#stride);
    this.#sought = new Int32Array(words);
  }

  /** How many prefixes there are. */
  get size(): number {
    return this.#size;
  }

  /** Nodes that there is room for: as many as were ever needed at once. */
  get nodes(): number {
    return this.#values.length - 1;
  }

  /** The value of the longest prefix that the address at `at` is in, in network order. */
  longest(bytes: Uint8Array, at: number): Value | undefined {
    this.#seek(bytes, at);
    let found: Value | undefined;
    for (let node = this.#root; node !== 0;) {
      const bits = this.#field(node, BITS);
      if (this.#sharedBits(node) < bits) break;
      found = this.#values[node] ?? found;
      if (bits === this.#words * 32) break;
      node = this.#field(node, LEFT + this.#bit(bits));
    }
    return found;
  }

  /** The value of exactly this prefix. */
  get(network: Uint8Array, bits: number): Value | undefined {
    this.#seek(network, 0);
    for (let node = this.#root; node !== 0;) {
      const has = this.#field(node, BITS);
      if (has > bits || this.#sharedBits(node) < has) return undefined;
      if (has === bits) return this.#values[node];
      node = this.#field(node, LEFT + this.#bit(has));
    }
    return undefined;
  }

  /** Gives a prefix a value, in the place of any other. Bits of `network` behind `bits` do not count. */
  set(network: Uint8Array, bits: number, value: Value): void {
    this.#seek(network, 0);
    let above = 0;
    let side = 0;
    for (let node = this.#root; ;) {
      if (node === 0) return this.#attach(above, side, this.#make(bits, value));
      const has = this.#field(node, BITS);
      const shared = Math.min(this.#sharedBits(node), has, bits);
      if (shared < has) return this.#attach(above, side, this.#fork(node, shared, bits, value));
      if (has === bits) {
        if (this.#values[node] === undefined) this.#size++;
        this.#values[node] = value;
        return;
      }
      above = node;
      side = this.#bit(has);
      node = this.#field(node, LEFT + side);
    }
  }

  /** Takes a prefix away. */
  delete(network: Uint8Array, bits: number): void {
    this.#seek(network, 0);
    let grandparent = 0;
    let grandside = 0;
    let above = 0;
    let side = 0;
    for (let node = this.#root; node !== 0;) {
      const has = this.#field(node, BITS);
      if (has > bits || this.#sharedBits(node) < has) return;
      if (has === bits) {
        if (this.#values[node] === undefined) return;
        this.#values[node] = undefined;
        this.#size--;
        this.#tidy(node, above, side);
        // A fork that was left with one branch is none.
        if (above !== 0) this.#tidy(above, grandparent, grandside);
        return;
      }
      [grandparent, grandside] = [above, side];
      above = node;
      side = this.#bit(has);
      node = this.#field(node, LEFT + side);
    }
  }

  /** Puts the one branch of a node without a value in its place. */
  #tidy(node: number, above: number, side: number): void {
    if (this.#values[node] !== undefined) return;
    const left = this.#field(node, LEFT);
    const right = this.#field(node, RIGHT);
    if (left !== 0 && right !== 0) return;
    this.#attach(above, side, left === 0 ? right : left);
    this.#free.push(node);
  }

  /** A node for what is sought, in front of one or, where neither is in the other, beside it below a fork. */
  #fork(node: number, shared: number, bits: number, value: Value): number {
    const nodeSide = this.#bitOf(node, shared);
    const made = this.#make(bits, value);
    if (shared === bits) {
      this.#setField(made, LEFT + nodeSide, node);
      return made;
    }
    const fork = this.#make(shared, undefined);
    this.#setField(fork, LEFT + nodeSide, node);
    this.#setField(fork, LEFT + (1 - nodeSide), made);
    return fork;
  }

  /** A new node of the first bits of what is sought. */
  #make(bits: number, value: Value | undefined): number {
    const node = this.#free.pop() ?? this.#values.length;
    if ((node + 1) * this.#stride > this.#nodes.length) {
      const larger = new Int32Array(2 * this.#nodes.length);
      larger.set(this.#nodes);
      this.#nodes = larger;
    }
    this.#nodes.set(this.#sought, node * this.#stride);
    this.#setField(node, BITS, bits);
    this.#setField(node, LEFT, 0);
    this.#setField(node, RIGHT, 0);
    this.#values[node] = value;
    if (value !== undefined) this.#size++;
    return node;
  }

  #attach(above: number, side: number, node: number): void {
    if (above === 0) this.#root = node;
    else this.#setField(above, LEFT + side, node);
  }

  /** Makes this the address that is sought. */
  #seek(bytes: Uint8Array, at: number): void {
    for (let word = 0; word < this.#words; word++) {
      const from = at + 4 * word;
      this.#sought[word] =
        ((bytes[from] ?? 0) << 24) |
        ((bytes[from + 1] ?? 0) << 16) |
        ((bytes[from + 2] ?? 0) << 8) |
        (bytes[from + 3] ?? 0);
    }
  }

  /** How many first bits of what is sought a node's address has too; more than its own bits mean nothing. */
  #sharedBits(node: number): number {
    const base = node * this.#stride;
    for (let word = 0; word < this.#words; word++) {
      const difference = (this.#nodes[base + word] ?? 0) ^ (this.#sought[word] ?? 0);
      if (difference !== 0) return 32 * word + Math.clz32(difference);
    }
    return 32 * this.#words;
  }

  /** A bit of what is sought. */
  #bit(at: number): 0 | 1 {
    return (((this.#sought[at >> 5] ?? 0) >>> (31 - (at & 31))) & 1) as 0 | 1;
  }

  #bitOf(node: number, at: number): 0 | 1 {
    const word = this.#nodes[node * this.#stride + (at >> 5)] ?? 0;
    return ((word >>> (31 - (at & 31))) & 1) as 0 | 1;
  }

  #field(node: number, field: number): number {
    return this.#nodes[node * this.#stride + this.#words + field] ?? 0;
  }

  #setField(node: number, field: number, value: number): void {
    this.#nodes[node * this.#stride + this.#words + field] = value;
  }
}
