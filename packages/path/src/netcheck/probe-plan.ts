/**
 * Which relays are asked, by which family, and when: all of them where nothing is known, else the nearest
 * and the home region, some more often, as a datagram may be lost.
 *
 * Source: docs/protocol/disco.md §6.
 */
import type { DerpMap, DerpNode, DerpRegion } from '@malla/wire/tailcfg/derp-map';
import type { NetReport } from './report.ts';

export interface PlannedProbe {
  readonly region: number;
  readonly node: DerpNode;
  readonly family: 4 | 6;
  /** Ms after the beginning. */
  readonly atMs: number;
}

export interface Question {
  readonly map: DerpMap;
  /** 0: none yet. */
  readonly home: number;
  readonly families: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** What was found last: only the nearest regions are asked again. Undefined: all are. */
  readonly previous?: NetReport | undefined;
}

/** Where every region is asked. */
const TRIES = 3;
const TRY_MS = 100;
/** Of a region whose latency is known. */
const NEAREST = 3;
const TRIES_HOME = 4;
const TRIES_NEAR = 2;
/** No one hears of more than this for one look. */
const MAX_PROBES = 1000;

/** In the order of time; what can be asked first of every region comes first. */
export function planProbes(question: Question): PlannedProbe[] {
  const { families, home, previous } = question;
  const regions = measuredRegions(question.map, home);
  const known = previous?.latency ?? new Map<number, number>();
  const nearest = regions
    .filter(({ RegionID }) => known.has(RegionID))
    .toSorted((a, b) => (known.get(a.RegionID) ?? 0) - (known.get(b.RegionID) ?? 0))
    .slice(0, NEAREST);
  const again = regions.filter((region) => nearest.includes(region) || region.RegionID === home);
  const isFirst = nearest.length === 0;
  const probes = (isFirst ? regions : again).flatMap((region) => {
    const nodes = region.Nodes.filter((node) => node.STUNPort !== -1);
    const isHome = region.RegionID === home || region === nearest[0];
    const tries = isFirst ? TRIES : isHome ? TRIES_HOME : TRIES_NEAR;
    // A second one is sent when the first should have been answered.
    const spacing = Math.max(TRY_MS, 1.5 * (known.get(region.RegionID) ?? 0));
    return Array.from({ length: tries }, (_, i) => i).flatMap((i) => {
      const node = nodes[i % nodes.length];
      if (node === undefined) return [];
      const atMs = i * (isFirst ? TRY_MS : spacing);
      const probe = { region: region.RegionID, node, atMs };
      return [
        ...(families.ipv4 && node.IPv4 !== 'none' ? [{ ...probe, family: 4 as const }] : []),
        ...(families.ipv6 && node.IPv6 !== 'none' ? [{ ...probe, family: 6 as const }] : []),
      ];
    });
  });
  return probes.toSorted((a, b) => a.atMs - b.atMs).slice(0, MAX_PROBES);
}

/** Regions that may become home: of those to be avoided only the one that is it already. */
export function measuredRegions(map: DerpMap, home: number): DerpRegion[] {
  return Object.values(map.Regions).filter(
    ({ RegionID, NoMeasureNoHome, Avoid, Nodes }) =>
      NoMeasureNoHome !== true && (Avoid !== true || RegionID === home) && Nodes.length > 0,
  );
}
