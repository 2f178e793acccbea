/**
 * What the fan-out spends its time on, sealing and compression, by the fastest way this process has:
 * functions of the node binary through `node:ffi`, or else plain Node, which passes the same tests.
 * Nothing depends on which it is.
 *
 * Node warns once that FFI is experimental; bin/malla turns that off by `--disable-warning`.
 */
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { Aead } from '@malla/noise/crypto';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import type { Compress } from '../fanout/message.ts';
import { createFfiAead } from './aead.ts';
import { checkAead, checkCompress } from './self-test.ts';
import { createFfiCompress, nodeCompress } from './zstd.ts';

export interface Native {
  readonly aead: Aead;
  readonly compress: Compress;
  readonly what: 'ffi' | 'node';
}

const PLAIN: Native = { aead: nodeCrypto, compress: nodeCompress, what: 'node' };

/** One for the process, or the reason why there is none. */
let made: Native | string | undefined;

/** The native functions where they work and are wanted, and plain ones otherwise. Never throws. */
export function loadNative(log: Logger, wanted: boolean): Native {
  if (!wanted) return PLAIN;
  made ??= make();
  if (typeof made !== 'string') return made;
  log.debug({ reason: made }, 'no native functions: sealing and compression by plain Node');
  return PLAIN;
}

function make(): Native | string {
  try {
    const native: Native = { aead: createFfiAead(), compress: createFfiCompress(), what: 'ffi' };
    checkAead(native.aead);
    checkCompress(native.compress);
    return native;
  } catch (error) {
    return messageOf(error);
  }
}
