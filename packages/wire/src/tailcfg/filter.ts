/**
 * Packet filter rules, tailcfg.FilterRule: who may come in, at the node that gets them. Spelled as on the
 * wire: writing rules is `JSON.stringify`. What they mean is `@malla/filter`.
 *
 * Source: docs/protocol/control.md §Packet filters.
 */
import { compareAddresses, parseAddress } from '@malla/ip/address';
import { parsePrefixOrAddress } from '@malla/ip/prefix';
import { type CapMap, capMap } from './node.ts';
import {
  integer,
  list,
  prefix,
  type Reader,
  recordWithNulls,
  shape,
  text,
  whole,
} from './shape.ts';

/** tailcfg.FilterRule. A rule has `DstPorts` or `CapGrant`. */
export interface FilterRule {
  /** Addresses, prefixes, ranges `a-b`, `*`, or `cap:` and a capability that the sender's node has. */
  readonly SrcIPs: readonly string[];
  readonly DstPorts?: readonly FilterDestination[];
  /** IANA numbers; absent: TCP, UDP, ICMP, ICMPv6. */
  readonly IPProto?: readonly number[];
  readonly CapGrant?: readonly CapGrant[];
}

/** tailcfg.NetPortRange. */
export interface FilterDestination {
  /** As in SrcIPs, without capabilities. */
  readonly IP: string;
  readonly Ports: { readonly First: number; readonly Last: number };
}

/** tailcfg.CapGrant. */
export interface CapGrant {
  /** Prefixes; clients accept no ranges here. */
  readonly Dsts: readonly string[];
  /** null is a capability without values. */
  readonly CapMap: CapMap;
}

/** Named parts of a filter; null takes one away, of the name `*` all. */
export type FilterParts = { readonly [name: string]: readonly FilterRule[] | null };

/** Rules of one part. */
const MAX_RULES = 16_384;
const MAX_PARTS = 16_384;
/** Addresses of a rule: of all nodes, in both families. */
const MAX_RANGES: number = 1 << 18;
const MAX_GRANTS = 4096;

/** `*`, an address, a prefix without host bits, or a range of one family. */
const range: Reader<string> = (value, trail) =>
  typeof value === 'string' && isRange(value)
    ? value
    : trail.fault('expected an address, a prefix, a range or *');

const source: Reader<string> = (value, trail) =>
  typeof value === 'string' && value.startsWith('cap:') && value.length <= 1024
    ? value
    : range(value, trail);

const port = integer(0, 65_535);

const ports: Reader<{ readonly First: number; readonly Last: number }> = (value, trail) => {
  const read = shape<{ readonly First: number; readonly Last: number }>(
    { First: port, Last: port },
    ['First', 'Last'],
  )(value, trail);
  return read === undefined || read.First <= read.Last
    ? read
    : trail.fault('expected First to be at most Last');
};

/** The fields of old that spoil a filter for the clients of today; a client that reads them would let in less. */
function without<T extends object>(field: string, reader: Reader<T>): Reader<T> {
  return (value, trail) =>
    field in Object(value) && (value as Record<string, unknown>)[field] !== null
      ? trail.fault(`${field} is of old`)
      : reader(value, trail);
}

const destination = without(
  'Bits',
  shape<FilterDestination>({ IP: range, Ports: ports }, ['IP', 'Ports']),
);

/** Capabilities without values had a list of their own once. */
const grant: Reader<CapGrant> = (value, trail) => {
  const read = shape<{
    readonly Dsts: readonly string[];
    readonly Caps?: readonly string[];
    readonly CapMap?: CapMap;
  }>({ Dsts: list(prefix, MAX_RANGES), Caps: list(text(), 1024), CapMap: capMap }, ['Dsts'])(
    value,
    trail,
  );
  if (read === undefined) return undefined;
  const { Dsts, Caps = [], CapMap = {} } = read;
  return { Dsts, CapMap: { ...Object.fromEntries(Caps.map((name) => [name, null])), ...CapMap } };
};

/** Reads a rule. One that is wrong anywhere lets nobody in: a part of it could mean more. */
export const filterRule: Reader<FilterRule> = whole(
  without(
    'SrcBits',
    shape<FilterRule>(
      {
        SrcIPs: list(source, MAX_RANGES),
        DstPorts: list(destination, MAX_RANGES),
        IPProto: list(integer(0, 255), 256),
        CapGrant: list(grant, MAX_GRANTS),
      },
      ['SrcIPs'],
    ),
  ),
);

/** Reads the rules of a filter or of a part of it. */
export const filterRules: Reader<readonly FilterRule[]> = list(filterRule, MAX_RULES);

/** Reads {@link FilterParts}. */
export const filterParts: Reader<FilterParts> = recordWithNulls(filterRules, MAX_PARTS);

function isRange(value: string): boolean {
  if (value === '*') return true;
  const dash = value.indexOf('-');
  if (dash === -1) return parsePrefixOrAddress(value).ok;
  const [first, last] = [parseAddress(value.slice(0, dash)), parseAddress(value.slice(dash + 1))];
  return (
    first.ok &&
    last.ok &&
    first.value.family === last.value.family &&
    compareAddresses(first.value, last.value) <= 0
  );
}
