/**
 * The SETTINGS of a peer (RFC 9113 §6.5.2) as far as they concern a server that never pushes
 * and encodes headers without a dynamic table.
 */
import { MAX_WINDOW } from './flow.ts';
import { ErrorCode, MAX_PAYLOAD_BYTES, readU32, SettingId } from './frame.ts';

/** What a SETTINGS frame asks for, or the error code for one that is illegal. */
export type PeerSettings = { readonly initialWindow: number | undefined } | ErrorCode;

const SETTING_BYTES = 6;
const LARGEST_MAX_FRAME_SIZE = 2 ** 24 - 1;

/** Reads a SETTINGS payload; a setting that occurs twice has its last value. Never throws. */
export function readSettings(payload: Uint8Array): PeerSettings {
  if (payload.length % SETTING_BYTES !== 0) return ErrorCode.frameSizeError;
  let initialWindow: number | undefined;
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = readU32(payload, at + 2);
    switch (((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0)) {
      case SettingId.enablePush:
        if (value > 1) return ErrorCode.protocolError;
        break;
      case SettingId.initialWindowSize:
        if (value > MAX_WINDOW) return ErrorCode.flowControlError;
        initialWindow = value;
        break;
      case SettingId.maxFrameSize: // ours are never larger than every peer must accept
        if (value < MAX_PAYLOAD_BYTES || value > LARGEST_MAX_FRAME_SIZE) {
          return ErrorCode.protocolError;
        }
        break;
      default:
    }
  }
  return { initialWindow };
}
