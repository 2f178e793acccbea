/**
 * Which relay region is home: the nearest of the last five minutes, but not another one for a few
 * milliseconds, as each change has to be told to all peers.
 *
 * Source: docs/protocol/disco.md §6.
 */
import type { Instant } from '@malla/base/engine';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import { measuredRegions } from './probe-plan.ts';
import type { NetReport } from './report.ts';

export interface HomeChoice {
  readonly map: DerpMap;
  /** 0: none yet. */
  readonly previous: number;
  /** When the relay of a region last sent us anything. */
  readonly heardFrom: (region: number) => Instant | undefined;
  /** Spreads nodes that can measure nothing over the regions: any number that a node keeps. */
  readonly spread: number;
}

/** How long a report counts, ms: the time between two full ones, and a little. */
const HISTORY_MS = 305_000;
/** Reports that are kept: as many as come in that time. */
const MAX_REPORTS = 32;
/** Nearer by less than this is not worth a change, ms. */
const WORTH_MS = 10;
/** Nor is what has more than this share of the latency of the present home. */
const WORTH_SHARE = 2 / 3;
/** A relay that sent something so shortly ago is there, whether or not it answers by UDP, ms. */
const HEARD_MS = 8000;
/** And so is the home where nothing can be measured: two keep-alives, ms. */
const HEARD_WITHOUT_MEASURE_MS = 120_000;

export class HomeRegion {
  #reports: NetReport[] = [];

  /** Takes a report and says which region is home then; 0 where there is none at all. */
  choose(report: NetReport, choice: HomeChoice, now: Instant): number {
    this.#reports = [...this.#reports, report]
      .filter(({ startedAt }) => startedAt > now - HISTORY_MS)
      .slice(-MAX_REPORTS);
    const { map, previous, heardFrom } = choice;
    const regions = measuredRegions(map, previous).map(({ RegionID }) => RegionID);
    const isThere = previous !== 0 && String(previous) in map.Regions;
    const heardAt = isThere ? heardFrom(previous) : undefined;
    const measured = regions.filter((region) => report.latency.has(region));
    if (measured.length === 0) {
      if (heardAt !== undefined && heardAt > now - HEARD_WITHOUT_MEASURE_MS) return previous;
      return isThere ? previous : (regions[choice.spread % regions.length] ?? 0);
    }
    const score = (region: number): number => {
      const factor = map.HomeParams?.RegionScore[String(region)] ?? 0;
      return this.#best(region) * (factor > 0 ? factor : 1);
    };
    const best = measured.reduce((a, b) => (score(b) < score(a) ? b : a));
    if (best === previous || !isThere) return best;
    const old = report.latency.get(previous);
    const wasHeard = heardAt !== undefined && heardAt > Math.min(report.startedAt, now - HEARD_MS);
    if (old === undefined) return wasHeard ? previous : best;
    const gain = old - score(best);
    return gain < WORTH_MS || score(best) > WORTH_SHARE * old ? previous : best;
  }

  #best(region: number): number {
    return Math.min(...this.#reports.map(({ latency }) => latency.get(region) ?? Infinity));
  }
}
