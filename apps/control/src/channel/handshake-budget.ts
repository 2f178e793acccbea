/**
 * How many Noise handshakes are answered, and whose. One costs 0.4 ms of the thread that everybody is
 * served on, and anyone can ask for one: strangers have a budget, with a share for each address, and
 * who is connected notices nothing of those that ask without end.
 *
 * Half of the work tells who asks. So a node pays from its own budget, and one behind an address that
 * strangers have used up is found out all the same, as far as a small budget for that lasts. What is no
 * initiation costs nothing, neither work nor budget.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { decodeInitiation } from '@malla/noise/frame';
import { type Identified, identify } from '@malla/noise/handshake';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import type { Budgets } from '../budgets.ts';

export type HandshakeBudgets = Pick<Budgets, 'handshakes' | 'nodeHandshakes' | 'identifications'>;

/** Somebody whose handshake is answered. */
export interface Acquaintance extends Identified {
  /** Whether the strangers of its address have paid for it. */
  readonly paidByStrangers: boolean;
}

/** Who asks. `too-many`: it is not answered now; any other fault: its initiation is none of ours. */
export type Met = Result<Acquaintance, string>;

export interface Meeting {
  readonly budgets: HandshakeBudgets;
  readonly remoteAddress: string;
  /** Monotonic ms. */
  readonly now: number;
  /** Whether a machine key owns a node. */
  readonly isNode: (key: MachinePublic) => boolean;
}

/** Finds out who sent an initiation frame, if there is a budget for it. */
export function meet(
  staticKey: X25519Private,
  initiation: Uint8Array,
  { budgets, remoteAddress, now, isNode }: Meeting,
): Met {
  const { handshakes, nodeHandshakes, identifications } = budgets;
  const frame = decodeInitiation(initiation);
  if (!frame.ok) return frame;
  const paid = handshakes.take(remoteAddress, now);
  if (!paid && !identifications.take(remoteAddress, now)) return fail('too-many');
  const identified = identify(staticKey, initiation, nodeCrypto);
  if (!identified.ok) return paid ? identified : fail('too-many');
  const { machineKey } = identified.value;
  if (isNode(machineKey) && nodeHandshakes.take(machineKey, now)) {
    if (paid) handshakes.giveBack(remoteAddress, now);
    return ok({ ...identified.value, paidByStrangers: false });
  }
  return paid ? ok({ ...identified.value, paidByStrangers: true }) : fail('too-many');
}
