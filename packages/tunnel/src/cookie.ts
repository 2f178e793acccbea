/**
 * Cookies, by which a receiver under load has senders show that they can read what is sent to their address. A
 * cookie is a mac of the address with a secret of the receiver's: it keeps nothing for anybody.
 *
 * An address is any bytes of whoever drives: of UDP the address and port, of a relay whatever tells apart who
 * sent it.
 *
 * Source: WireGuard paper §5.3, §5.4.4, §5.4.7.
 */
import type { Instant } from '@malla/base/engine';
import type { RandomBytes } from '@malla/base/random';
import { type TunnelCrypto, XNONCE_BYTES } from './crypto.ts';
import { checkMac2, mac1Of, type ReceiverKeys } from './macs.ts';
import { type CookieReply, encodeCookieReply } from './message.ts';
import { COOKIE_MS } from './timing.ts';

const SECRET_BYTES = 32;

/** The receiver's side. */
export class CookieMaker {
  readonly #crypto: TunnelCrypto;
  readonly #random: RandomBytes;
  readonly #keys: ReceiverKeys;
  #secret: Uint8Array | undefined;
  #madeAt: Instant = -Infinity;

  constructor(crypto: TunnelCrypto, random: RandomBytes, keys: ReceiverKeys) {
    this.#crypto = crypto;
    this.#random = random;
    this.#keys = keys;
  }

  /** Whether the message's mac2 shows a cookie that we gave to this address in the last two minutes. */
  check(message: Uint8Array, source: Uint8Array, now: Instant): boolean {
    if (this.#secret === undefined || now - this.#madeAt >= COOKIE_MS) return false;
    return checkMac2(this.#crypto, message, this.#crypto.mac(this.#secret, source));
  }

  /** The reply that gives a cookie to whoever sent the message, with that index, from this address. */
  reply(message: Uint8Array, receiver: number, source: Uint8Array, now: Instant): Uint8Array {
    if (this.#secret === undefined || now - this.#madeAt >= COOKIE_MS) {
      this.#secret = this.#random(SECRET_BYTES);
      this.#madeAt = now;
    }
    const cookie = this.#crypto.mac(this.#secret, source);
    const nonce = this.#random(XNONCE_BYTES);
    const sealedCookie = this.#crypto.xSeal(this.#keys.cookie, nonce, cookie, mac1Of(message));
    return encodeCookieReply({ receiver, nonce, sealedCookie });
  }
}

/** The sender's side: the cookie that one peer has given. */
export class CookieJar {
  #cookie: Uint8Array | undefined;
  #gotAt: Instant = -Infinity;
  /** Of the message that was sent last, which is all that a reply may answer. */
  #lastMac1: Uint8Array | undefined;

  /** The cookie to show, while it is good. */
  current(now: Instant): Uint8Array | undefined {
    if (now - this.#gotAt >= COOKIE_MS) this.#cookie = undefined;
    return this.#cookie;
  }

  /** A message was sent. */
  noteSent(mac1: Uint8Array): void {
    this.#lastMac1 = mac1;
  }

  /** Takes the cookie of a reply; false where that is not authentic or answers nothing. */
  take(crypto: TunnelCrypto, peer: ReceiverKeys, reply: CookieReply, now: Instant): boolean {
    if (this.#lastMac1 === undefined) return false;
    const { nonce, sealedCookie } = reply;
    const cookie = crypto.xOpen(peer.cookie, nonce, sealedCookie, this.#lastMac1);
    if (cookie === undefined) return false;
    // One reply to one message (§6.6): a replay of it would only put off when the cookie goes.
    this.#lastMac1 = undefined;
    this.#cookie = cookie;
    this.#gotAt = now;
    return true;
  }
}
