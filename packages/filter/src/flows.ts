/** The flows that a node has begun itself by UDP or SCTP: what answers them needs no rule. */
import type { Packet } from './packet.ts';

/** Flows that are remembered; the one not used for longest goes. Official clients keep as many. */
export const MAX_FLOWS = 512;

export class Flows {
  /** In the order in which they were last used. */
  readonly #flows = new Set<string>();

  /** A packet goes out. */
  note(packet: Packet): void {
    const { sourceAt, destinationAt, sourcePort, destinationPort } = packet;
    this.#touch(keyOf(packet, sourceAt, sourcePort, destinationAt, destinationPort));
  }

  /** Whether a packet that comes in answers one that went out. */
  isAnswer(packet: Packet): boolean {
    const { sourceAt, destinationAt, sourcePort, destinationPort } = packet;
    const flow = keyOf(packet, destinationAt, destinationPort, sourceAt, sourcePort);
    if (!this.#flows.has(flow)) return false;
    this.#touch(flow);
    return true;
  }

  #touch(flow: string): void {
    if (!this.#flows.delete(flow) && this.#flows.size >= MAX_FLOWS) {
      const [oldest = ''] = this.#flows;
      this.#flows.delete(oldest);
    }
    this.#flows.add(flow);
  }
}

/** A flow by its near and its far end. */
function keyOf(
  { family, bytes, protocol }: Packet,
  nearAt: number,
  nearPort: number,
  farAt: number,
  farPort: number,
): string {
  let key = String.fromCharCode(protocol, nearPort, farPort);
  const width = family === 4 ? 4 : 16;
  for (let i = 0; i < width; i++) {
    key += String.fromCharCode(((bytes[nearAt + i] ?? 0) << 8) | (bytes[farAt + i] ?? 0));
  }
  return key;
}
