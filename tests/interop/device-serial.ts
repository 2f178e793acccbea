/**
 * A serial number for a host of the lab, as its firmware would tell it: the tables of DMI, where Linux shows
 * them. Clients read these when their posture is asked for.
 *
 * Source: DMTF DSP0134 (SMBIOS) §5.2.2 entry point, §6.1.2 strings, §7.2 system information.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './lab.ts';

/** Structure types. */
const SYSTEM = 1;
const END_OF_TABLE = 127;
/** Of the fields of system information those that name a string: maker, product, version, serial number. */
const STRINGS = 4;
const SYSTEM_BYTES = 0x1b;
const ENTRY_BYTES = 24;

/** Gives it one, for whatever is started there from now on. */
export function giveSerial(host: Host, serial: string): void {
  const dir = join(host.firmwareDir, 'dmi', 'tables');
  mkdirSync(dir, { recursive: true });
  const table = Buffer.concat([
    structure(SYSTEM, SYSTEM_BYTES, ['malla', 'lab', '1', serial]),
    structure(END_OF_TABLE, 4, []),
  ]);
  writeFileSync(join(dir, 'DMI'), table);
  writeFileSync(join(dir, 'smbios_entry_point'), entryPoint(table.length));
}

function structure(type: number, length: number, strings: readonly string[]): Buffer {
  const formatted = Buffer.alloc(length);
  formatted.writeUInt8(type, 0);
  formatted.writeUInt8(length, 1);
  formatted.writeUInt16LE(type, 2);
  for (let i = 0; i < Math.min(strings.length, STRINGS); i++) formatted.writeUInt8(i + 1, 4 + i);
  const text = strings.length === 0 ? '\0' : strings.map((each) => `${each}\0`).join('');
  return Buffer.concat([formatted, Buffer.from(`${text}\0`)]);
}

/** Of SMBIOS 3.0: the sum of its bytes is 0. */
function entryPoint(tableBytes: number): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.write('_SM3_', 0, 'latin1');
  entry.writeUInt8(ENTRY_BYTES, 6);
  entry.writeUInt8(3, 7);
  entry.writeUInt8(1, 10);
  entry.writeUInt32LE(tableBytes, 12);
  const sum = entry.reduce((total, byte) => total + byte, 0);
  entry.writeUInt8((256 - (sum % 256)) % 256, 5);
  return entry;
}
