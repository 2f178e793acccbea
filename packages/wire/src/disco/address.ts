/**
 * An endpoint inside disco messages: 16 bytes of address, IPv4 as IPv4-mapped, and 2 of port.
 *
 * Source: docs/protocol/disco.md §2.
 */
import { type Address, addressBytes, addressFromBytes, unmap } from '@malla/ip/address';
import { type Endpoint, endpointOf } from '@malla/ip/endpoint';

export const ENDPOINT_BYTES = 18;
const ADDRESS_BYTES = 16;
const MAPPED = 0xffffn << 32n;

/** Writes an endpoint at `at`, which has room for it. */
export function writeEndpoint(out: Uint8Array, at: number, { address, port }: Endpoint): void {
  const long: Address =
    address.family === 6 ? address : { family: 6, value: MAPPED | address.value };
  out.set(addressBytes(long), at);
  out[at + ADDRESS_BYTES] = port >> 8;
  out[at + ADDRESS_BYTES + 1] = port & 0xff;
}

/** Reads the endpoint at `at`, of which all bytes are there: any 18 are one. IPv4-mapped is IPv4. */
export function readEndpoint(bytes: Uint8Array, at: number): Endpoint {
  const read = addressFromBytes(bytes.subarray(at, at + ADDRESS_BYTES));
  if (!read.ok) throw new RangeError(`${ENDPOINT_BYTES} bytes were promised at ${at}`);
  const port = ((bytes[at + ADDRESS_BYTES] ?? 0) << 8) | (bytes[at + ADDRESS_BYTES + 1] ?? 0);
  return endpointOf(unmap(read.value), port);
}

/** As many endpoints as there is room for from `at` on, at most `max`. */
export function readEndpoints(bytes: Uint8Array, at: number, max: number): Endpoint[] {
  const count = Math.min(max, Math.floor(Math.max(0, bytes.length - at) / ENDPOINT_BYTES));
  return Array.from({ length: count }, (_, i) => readEndpoint(bytes, at + i * ENDPOINT_BYTES));
}
