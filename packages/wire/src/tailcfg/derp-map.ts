/**
 * tailcfg.DERPMap: the relays that clients may use, by region.
 *
 * A map is put together from layers: JSON from a URL, YAML files as headscale reads them, and the
 * embedded relay. A later layer replaces a region of the same number; `null` in its place removes it.
 * Field names are matched without regard to case, because YAML files spell them in lower case.
 *
 * Source: docs/protocol/derp.md §8. Unknown fields are dropped.
 */
import { fail, ok, type Result } from '@malla/base/result';

/** Regions in one map; the public one has about 30. */
export const MAX_REGIONS = 1000;
/** Nodes in one region. */
export const MAX_NODES_PER_REGION = 64;

export interface DerpNode {
  /** Unique in the whole map, by custom region number and a letter: `900a`. */
  readonly Name: string;
  readonly RegionID: number;
  readonly HostName: string;
  /** The name to ask the certificate for where it is not HostName, or a pin: `sha256-raw:` and hex. */
  readonly CertName?: string;
  /** Absent: ask DNS. `none`: do not use IPv4. */
  readonly IPv4?: string;
  /** Absent: ask DNS. `none`: do not use IPv6. */
  readonly IPv6?: string;
  /** Absent or 0: 3478. -1: no STUN. */
  readonly STUNPort?: number;
  readonly STUNOnly?: boolean;
  /** Absent or 0: 443. */
  readonly DERPPort?: number;
  /** The client does not check the certificate at all. */
  readonly InsecureForTests?: boolean;
  readonly STUNTestIP?: string;
  /** Whether port 80 answers `/generate_204`, for finding captive portals. */
  readonly CanPort80?: boolean;
}

export interface DerpRegion {
  readonly RegionID: number;
  readonly RegionCode: string;
  readonly RegionName: string;
  readonly Latitude?: number;
  readonly Longitude?: number;
  readonly Avoid?: boolean;
  /** No client measures it or makes it its home; it can be reached by name only. */
  readonly NoMeasureNoHome?: boolean;
  readonly Nodes: readonly DerpNode[];
}

export interface DerpMap {
  readonly HomeParams?: { readonly RegionScore: Readonly<Record<string, number>> };
  /** By region number. */
  readonly Regions: Readonly<Record<string, DerpRegion>>;
  readonly omitDefaultRegions?: boolean;
}

/** One source of a map, before merging: `null` removes a region of an earlier layer. */
export interface DerpMapLayer extends Omit<DerpMap, 'Regions'> {
  readonly Regions: Readonly<Record<string, DerpRegion | null>>;
}

/** What was read of a layer, and what was left out of it or taken otherwise than it was written. */
export interface DecodedDerpMap {
  readonly layer: DerpMapLayer;
  /** The place and what is wrong there, as in `Regions.900.Nodes[0] (900a): HostName: missing`. */
  readonly leftOut: readonly string[];
  /** In the same form: numbers of regions that say something else than the place they stand in. */
  readonly corrected: readonly string[];
}

/**
 * Reads a layer from parsed JSON or YAML. What is wrong in a node leaves out the node, what is wrong in a
 * region the region: others' relays do not depend on it. The fault is what is wrong with the whole. Never
 * throws.
 */
export function decodeDerpMap(value: unknown): Result<DecodedDerpMap, string> {
  const map = fieldsOf(value);
  if (map === undefined) return fail('expected an object with Regions');
  const given = map.get('regions');
  const entries = given === undefined || given === null ? new Map() : entriesOf(given);
  if (entries === undefined) return fail('Regions: expected an object');
  if (entries.size > MAX_REGIONS) return fail(`Regions: more than ${MAX_REGIONS}`);
  const leftOut = new Problems();
  const reading: Reading = { leftOut, corrected: new Problems(), names: new Set() };
  const regions: Record<string, DerpRegion | null> = {};
  for (const [key, region] of entries) {
    if (!/^[1-9]\d{0,8}$/.test(key)) leftOut.add(`Regions.${key}`, 'expected a region number');
    else if (region === null) regions[key] = null;
    else {
      const read = readRegion(reading, Number(key), region);
      if (read !== undefined) regions[key] = read;
    }
  }
  const score = readRegionScore(leftOut, map.get('homeparams'));
  const omitDefault = leftOut.flag(map, 'omitDefaultRegions');
  const layer = {
    ...(score && { HomeParams: { RegionScore: score } }),
    Regions: regions,
    ...omitDefault,
  };
  return ok({ layer, leftOut: leftOut.list, corrected: reading.corrected.list });
}

/**
 * Merges layers in order: a region replaces one of the same number, `null` removes it, scores are
 * merged one by one, and `omitDefaultRegions` holds if any layer sets it.
 */
export function mergeDerpMaps(layers: readonly DerpMapLayer[]): DerpMap {
  const regions: Record<string, DerpRegion> = {};
  const score: Record<string, number> = {};
  let omitDefaultRegions = false;
  for (const layer of layers) {
    for (const [id, region] of Object.entries(layer.Regions)) {
      if (region === null) delete regions[id];
      else regions[id] = region;
    }
    Object.assign(score, layer.HomeParams?.RegionScore);
    omitDefaultRegions ||= layer.omitDefaultRegions === true;
  }
  return {
    ...(Object.keys(score).length > 0 && { HomeParams: { RegionScore: score } }),
    Regions: regions,
    ...(omitDefaultRegions && { omitDefaultRegions }),
  };
}

/**
 * The map as JSON text that depends on nothing but its meaning: regions by number, fields in the order
 * of the types above. Two maps are equal when their texts are.
 */
export function encodeDerpMap(map: DerpMap): string {
  return JSON.stringify({
    ...(map.HomeParams && { HomeParams: map.HomeParams }),
    Regions: Object.fromEntries(
      Object.entries(map.Regions).map(([id, region]) => [id, orderRegion(region)]),
    ),
    ...(map.omitDefaultRegions && { omitDefaultRegions: true }),
  });
}

type Fields = ReadonlyMap<string, unknown>;

class Problems {
  readonly list: string[] = [];

  add(place: string, what: string): void {
    // A flood of problems says no more than the first hundred.
    if (this.list.length < 100) this.list.push(`${place}: ${what}`);
  }

  /** YAML has numbers where a name is one. */
  text(fields: Fields, name: string): string | undefined {
    const value = fields.get(name.toLowerCase());
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
    this.add(name, 'expected text');
    return undefined;
  }

  /** A property for spreading: absent where the value is, or is Go's zero. */
  optionalText<N extends string>(fields: Fields, name: N): { [K in N]?: string } {
    const value = this.text(fields, name);
    return (value === undefined ? {} : { [name]: value }) as { [K in N]?: string };
  }

  flag<N extends string>(fields: Fields, name: N): { [K in N]?: true } {
    const value = fields.get(name.toLowerCase());
    if (value === true) return { [name]: true } as { [K in N]?: true };
    if (value !== undefined && value !== null && value !== false) {
      this.add(name, 'expected true or false');
    }
    return {};
  }

  number<N extends string>(
    fields: Fields,
    name: N,
    fits: (value: number) => boolean,
    expected: string,
  ): { [K in N]?: number } {
    const value = fields.get(name.toLowerCase());
    if (value === undefined || value === null || value === 0) return {};
    if (typeof value === 'number' && fits(value)) {
      return { [name]: value } as { [K in N]?: number };
    }
    this.add(name, `expected ${expected}`);
    return {};
  }

  /** What is wrong inside, as one problem of its place; whether there is anything. */
  include(place: string, inner: Problems): boolean {
    if (inner.list.length === 0) return false;
    this.add(place, inner.list.join('; '));
    return true;
  }
}

/** What comes of reading a map besides its regions. */
interface Reading {
  readonly leftOut: Problems;
  readonly corrected: Problems;
  /** Of all nodes so far. */
  readonly names: Set<string>;
}

/**
 * The number of a region stands twice, and in each of its nodes: whoever renumbers one forgets the others.
 * Where it stands is what decides, as that is where a later layer would replace it.
 */
function correctRegionId({ corrected }: Reading, place: string, fields: Fields, id: number): void {
  const own = fields.get('regionid');
  // Go's zero is one that was not written.
  if (own === undefined || own === null || own === 0 || Number(own) === id) return;
  corrected.add(place, `RegionID: taken as ${id}, the region it stands in`);
}

/** Undefined: it is left out. */
function readRegion(reading: Reading, id: number, value: unknown): DerpRegion | undefined {
  const { leftOut } = reading;
  const place = `Regions.${id}`;
  const fields = fieldsOf(value);
  if (fields === undefined) {
    leftOut.add(place, 'expected an object or null');
    return undefined;
  }
  const problems = new Problems();
  const code = problems.text(fields, 'RegionCode') ?? String(id);
  const region = {
    RegionID: id,
    RegionCode: code,
    RegionName: problems.text(fields, 'RegionName') ?? code,
    ...problems.number(fields, 'Latitude', (deg) => Math.abs(deg) <= 90, 'degrees, -90 to 90'),
    ...problems.number(fields, 'Longitude', (deg) => Math.abs(deg) <= 180, 'degrees, -180 to 180'),
    ...problems.flag(fields, 'Avoid'),
    ...problems.flag(fields, 'NoMeasureNoHome'),
  };
  const given: unknown = fields.get('nodes') ?? [];
  const nodes: readonly unknown[] = Array.isArray(given) ? given : [];
  if (!Array.isArray(given)) problems.add('Nodes', 'expected a list');
  else if (nodes.length > MAX_NODES_PER_REGION) {
    problems.add('Nodes', `more than ${MAX_NODES_PER_REGION}`);
  }
  if (leftOut.include(place, problems)) return undefined;
  correctRegionId(reading, place, fields, id);
  const read = nodes.flatMap(
    (node, i) => readNode(reading, id, `${place}.Nodes[${i}]`, node) ?? [],
  );
  if (nodes.length > 0 && read.length === 0) {
    leftOut.add(place, 'no node is left');
    return undefined;
  }
  return { ...region, Nodes: read };
}

/** Undefined: it is left out. */
function readNode(
  reading: Reading,
  regionId: number,
  place: string,
  value: unknown,
): DerpNode | undefined {
  const { leftOut, names } = reading;
  const fields = fieldsOf(value);
  if (fields === undefined) {
    leftOut.add(place, 'expected an object');
    return undefined;
  }
  const problems = new Problems();
  const name = problems.text(fields, 'Name') ?? '';
  const hostName = problems.text(fields, 'HostName') ?? '';
  if (name === '') problems.add('Name', 'missing');
  if (hostName === '') problems.add('HostName', 'missing');
  if (names.has(name)) problems.add('Name', 'another node has it');
  const node = {
    Name: name,
    RegionID: regionId,
    HostName: hostName,
    ...problems.optionalText(fields, 'CertName'),
    ...problems.optionalText(fields, 'IPv4'),
    ...problems.optionalText(fields, 'IPv6'),
    ...problems.number(
      fields,
      'STUNPort',
      (port) => port === -1 || isPort(port),
      'a UDP port, or -1 for none',
    ),
    ...problems.flag(fields, 'STUNOnly'),
    ...problems.number(fields, 'DERPPort', isPort, 'a TCP port'),
    ...problems.flag(fields, 'InsecureForTests'),
    ...problems.optionalText(fields, 'STUNTestIP'),
    ...problems.flag(fields, 'CanPort80'),
  };
  const named = name === '' ? place : `${place} (${name})`;
  if (leftOut.include(named, problems)) return undefined;
  correctRegionId(reading, named, fields, regionId);
  names.add(name);
  return node;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 65_535;
}

function readRegionScore(problems: Problems, value: unknown): Record<string, number> | undefined {
  if (value === undefined || value === null) return undefined;
  const given = fieldsOf(value)?.get('regionscore');
  if (given === undefined || given === null) return undefined;
  const entries = entriesOf(given);
  const score: Record<string, number> = {};
  for (const [id, factor] of entries ?? []) {
    if (/^[1-9]\d{0,8}$/.test(id) && typeof factor === 'number' && factor >= 0) score[id] = factor;
    else problems.add(`HomeParams.RegionScore.${id}`, 'expected a region number and a factor');
  }
  if (entries === undefined) problems.add('HomeParams.RegionScore', 'expected an object');
  return score;
}

/** An object's fields by lower-case name; undefined for anything else. */
function fieldsOf(value: unknown): Fields | undefined {
  const entries = entriesOf(value);
  return entries && new Map(Array.from(entries, ([name, field]) => [name.toLowerCase(), field]));
}

/** Entries of a JSON object, or of a Map as a YAML parser makes one for keys that are not text. */
function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (value instanceof Map) return new Map(Array.from(value, ([key, item]) => [nameOf(key), item]));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
}

/** A key that is a list or an object is no name, and may not even be told as text. */
function nameOf(key: unknown): string {
  return typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
}

const REGION_FIELDS = [
  'RegionID',
  'RegionCode',
  'RegionName',
  'Latitude',
  'Longitude',
  'Avoid',
  'NoMeasureNoHome',
] as const satisfies readonly (keyof DerpRegion)[];
const NODE_FIELDS = [
  'Name',
  'RegionID',
  'HostName',
  'CertName',
  'IPv4',
  'IPv6',
  'STUNPort',
  'STUNOnly',
  'DERPPort',
  'InsecureForTests',
  'STUNTestIP',
  'CanPort80',
] as const satisfies readonly (keyof DerpNode)[];

function orderRegion(region: DerpRegion): object {
  return {
    ...pick(region, REGION_FIELDS),
    Nodes: region.Nodes.map((node) => pick(node, NODE_FIELDS)),
  };
}

/** The named fields in that order; JSON drops those that are undefined. */
function pick<T>(from: T, names: readonly (keyof T)[]): object {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}
