/**
 * The two macs at the end of an initiation and of a response. mac1 shows that the sender knows who the receiver
 * is, so that strangers get no answer at all; mac2 that it can read what is sent to its address, by the cookie
 * that it got there.
 *
 * Source: WireGuard paper §5.3 and §5.4.4.
 */
import { concat, utf8 } from '@malla/base/bytes';
import { MAC_BYTES, type TunnelCrypto } from './crypto.ts';

const LABEL_MAC1 = utf8('mac1----');
const LABEL_COOKIE = utf8('cookie--');

/** The keys by which a receiver is addressed, which follow from its public key. */
export interface ReceiverKeys {
  readonly mac1: Uint8Array;
  /** Of cookie replies. */
  readonly cookie: Uint8Array;
}

/** Those of whoever has this public key. */
export function receiverKeys(crypto: TunnelCrypto, publicKey: Uint8Array): ReceiverKeys {
  return {
    mac1: crypto.hash(concat([LABEL_MAC1, publicKey])),
    cookie: crypto.hash(concat([LABEL_COOKIE, publicKey])),
  };
}

/** Writes both macs into a message that is else complete, mac2 only where there is a cookie. Returns mac1. */
export function writeMacs(
  crypto: TunnelCrypto,
  message: Uint8Array,
  receiver: ReceiverKeys,
  cookie: Uint8Array | undefined,
): Uint8Array {
  const { mac1At, mac2At } = places(message);
  const mac1 = crypto.mac(receiver.mac1, message.subarray(0, mac1At));
  message.set(mac1, mac1At);
  if (cookie !== undefined) {
    message.set(crypto.mac(cookie, message.subarray(0, mac2At)), mac2At);
  }
  return mac1;
}

/** Whether mac1 is right. */
export function checkMac1(
  crypto: TunnelCrypto,
  message: Uint8Array,
  receiver: ReceiverKeys,
): boolean {
  const { mac1At, mac2At } = places(message);
  const expected = crypto.mac(receiver.mac1, message.subarray(0, mac1At));
  return equalSecrets(expected, message.subarray(mac1At, mac2At));
}

/** Whether mac2 was made with that cookie. */
export function checkMac2(crypto: TunnelCrypto, message: Uint8Array, cookie: Uint8Array): boolean {
  const { mac2At } = places(message);
  const expected = crypto.mac(cookie, message.subarray(0, mac2At));
  return equalSecrets(expected, message.subarray(mac2At));
}

/** The mac1 of a message, a view of it. */
export function mac1Of(message: Uint8Array): Uint8Array {
  const { mac1At, mac2At } = places(message);
  return message.subarray(mac1At, mac2At);
}

function places(message: Uint8Array): { readonly mac1At: number; readonly mac2At: number } {
  return { mac1At: message.length - 2 * MAC_BYTES, mac2At: message.length - MAC_BYTES };
}

/** In a time that does not tell where they differ. */
function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
