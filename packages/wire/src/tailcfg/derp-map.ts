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

/**
 * Reads a layer from parsed JSON or YAML. A fault lists every problem with its place, as in
 * `Regions.900.Nodes[0].HostName: expected text`. Never throws.
 */
export function decodeDerpMap(value: unknown): Result<DerpMapLayer, readonly string[]> {
  const problems = new Problems();
  const map = fieldsOf(value);
  if (map === undefined) return fail(['expected an object with Regions']);
  const regions: Record<string, DerpRegion | null> = {};
  const given = map.get('regions');
  const entries = given === undefined || given === null ? new Map() : entriesOf(given);
  if (entries === undefined) problems.add('Regions', 'expected an object');
  else if (entries.size > MAX_REGIONS) problems.add('Regions', `more than ${MAX_REGIONS}`);
  else {
    for (const [key, region] of entries) {
      if (!/^[1-9]\d{0,8}$/.test(key)) problems.add(`Regions.${key}`, 'expected a region number');
      else regions[key] = region === null ? null : readRegion(problems, Number(key), region);
    }
  }
  const score = readRegionScore(problems, map.get('homeparams'));
  const omitDefault = problems.flag(map, 'omitDefaultRegions', '');
  noteDuplicateNames(problems, regions);
  if (problems.list.length > 0) return fail(problems.list);
  return ok({
    ...(score && { HomeParams: { RegionScore: score } }),
    Regions: regions,
    ...omitDefault,
  });
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

  text(fields: Fields, name: string, path: string): string | undefined {
    const value = fields.get(name.toLowerCase());
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    this.add(path + name, 'expected text');
    return undefined;
  }

  /** A property for spreading: absent where the value is, or is Go's zero. */
  optionalText<N extends string>(fields: Fields, name: N, path: string): { [K in N]?: string } {
    const value = this.text(fields, name, path);
    return (value === undefined ? {} : { [name]: value }) as { [K in N]?: string };
  }

  flag<N extends string>(fields: Fields, name: N, path: string): { [K in N]?: true } {
    const value = fields.get(name.toLowerCase());
    if (value === true) return { [name]: true } as { [K in N]?: true };
    if (value !== undefined && value !== null && value !== false) {
      this.add(path + name, 'expected true or false');
    }
    return {};
  }

  number<N extends string>(
    fields: Fields,
    name: N,
    path: string,
    fits: (value: number) => boolean,
    expected: string,
  ): { [K in N]?: number } {
    const value = fields.get(name.toLowerCase());
    if (value === undefined || value === null || value === 0) return {};
    if (typeof value === 'number' && fits(value)) {
      return { [name]: value } as { [K in N]?: number };
    }
    this.add(path + name, `expected ${expected}`);
    return {};
  }
}

function readRegion(problems: Problems, id: number, value: unknown): DerpRegion | null {
  const path = `Regions.${id}.`;
  const fields = fieldsOf(value);
  if (fields === undefined) {
    problems.add(`Regions.${id}`, 'expected an object or null');
    return null;
  }
  const own = fields.get('regionid');
  if (own !== undefined && own !== null && own !== id) {
    problems.add(`${path}RegionID`, `expected ${id}, as the region is numbered`);
  }
  const code = problems.text(fields, 'RegionCode', path) ?? String(id);
  const given = fields.get('nodes') ?? [];
  let nodes: readonly unknown[] = [];
  if (!Array.isArray(given)) problems.add(`${path}Nodes`, 'expected a list');
  else if (given.length > MAX_NODES_PER_REGION) {
    problems.add(`${path}Nodes`, `more than ${MAX_NODES_PER_REGION}`);
  } else nodes = given;
  return {
    RegionID: id,
    RegionCode: code,
    RegionName: problems.text(fields, 'RegionName', path) ?? code,
    ...problems.number(
      fields,
      'Latitude',
      path,
      (deg) => Math.abs(deg) <= 90,
      'degrees, -90 to 90',
    ),
    ...problems.number(
      fields,
      'Longitude',
      path,
      (deg) => Math.abs(deg) <= 180,
      'degrees, -180 to 180',
    ),
    ...problems.flag(fields, 'Avoid', path),
    ...problems.flag(fields, 'NoMeasureNoHome', path),
    Nodes: nodes.flatMap((node, i) => readNode(problems, id, `${path}Nodes[${i}]`, node) ?? []),
  };
}

function readNode(
  problems: Problems,
  regionId: number,
  place: string,
  value: unknown,
): DerpNode | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) {
    problems.add(place, 'expected an object');
    return undefined;
  }
  const path = `${place}.`;
  const own = fields.get('regionid');
  if (own !== undefined && own !== null && own !== 0 && own !== regionId) {
    problems.add(`${path}RegionID`, `expected ${regionId}, the region it stands in`);
  }
  const name = problems.text(fields, 'Name', path);
  const hostName = problems.text(fields, 'HostName', path);
  if (name === undefined) problems.add(`${path}Name`, 'missing');
  if (hostName === undefined) problems.add(`${path}HostName`, 'missing');
  if (name === undefined || hostName === undefined) return undefined;
  return {
    Name: name,
    RegionID: regionId,
    HostName: hostName,
    ...problems.optionalText(fields, 'CertName', path),
    ...problems.optionalText(fields, 'IPv4', path),
    ...problems.optionalText(fields, 'IPv6', path),
    ...problems.number(
      fields,
      'STUNPort',
      path,
      (port) => port === -1 || isPort(port),
      'a UDP port, or -1 for none',
    ),
    ...problems.flag(fields, 'STUNOnly', path),
    ...problems.number(fields, 'DERPPort', path, isPort, 'a TCP port'),
    ...problems.flag(fields, 'InsecureForTests', path),
    ...problems.optionalText(fields, 'STUNTestIP', path),
    ...problems.flag(fields, 'CanPort80', path),
  };
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

function noteDuplicateNames(
  problems: Problems,
  regions: Readonly<Record<string, DerpRegion | null>>,
): void {
  const seen = new Set<string>();
  for (const region of Object.values(regions)) {
    for (const { Name } of region?.Nodes ?? []) {
      if (seen.has(Name)) problems.add(`Regions.${region?.RegionID}`, `second node named ${Name}`);
      seen.add(Name);
    }
  }
}

/** An object's fields by lower-case name; undefined for anything else. */
function fieldsOf(value: unknown): Fields | undefined {
  const entries = entriesOf(value);
  return entries && new Map(Array.from(entries, ([name, field]) => [name.toLowerCase(), field]));
}

/** Entries of a JSON object, or of a Map as a YAML parser makes one for keys that are not text. */
function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (value instanceof Map) return new Map(Array.from(value, ([key, item]) => [String(key), item]));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
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
