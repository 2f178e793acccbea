/**
 * Who sees whom, and whose routes. Nodes see each other when a rule lets either reach the other in any
 * way; what is behind a router counts as the router's. A route is seen by whoever may send there, by
 * whoever may be sent to from there, and by the other routers that serve it.
 *
 * A rule with `via` steers: of the prefixes that it overlaps, its sources see only those of a router that
 * it names, as long as there is one. Whoever may send there by any router, by another rule, is not steered:
 * no rule takes away what another gives.
 *
 * Observed: the hosted service, April and May 2026.
 */
import { formatPrefix, overlaps, type Prefix } from '@malla/ip/prefix';
import { isExitRoute } from '@malla/ip/special';
import type { PolicyNode } from '../subjects.ts';
import { addBits, type Bits, eachBit, emptyBits, hasBit, intersects, setBit } from './bits.ts';
import type { ClassTable, NodeClass } from './classes.ts';
import type { EngineOptions } from '../contract.ts';
import { overlapsInternet } from '../internet.ts';
import type { Plan } from './plan.ts';
import type { Population } from './population.ts';
import { ANY, DANGER_ALL, isAutogroup, mayForward, type Selector } from './selector.ts';

/** The selectors that a prefix is under. */
interface Cover {
  readonly sources: Bits;
  readonly targets: Bits;
  /** Destinations with `via`. */
  readonly steered: readonly Selector[];
}

/** How many prefixes to keep covers of: more than one tailnet's routers serve. */
const MAX_COVERS = 4096;

export class Reach {
  readonly #plan: Plan;
  readonly #population: Population;
  readonly #options: EngineOptions;
  /** By a source selector, the destinations that rules give it; and the other way round. */
  readonly #targetsOf: (Bits | undefined)[] = [];
  readonly #sourcesOf: (Bits | undefined)[] = [];
  /** By a source selector, the destinations to which rules let it send by any router. */
  readonly #openOf: (Bits | undefined)[] = [];
  readonly #selfSources: Bits;
  readonly #open = new WeakMap<NodeClass, Bits>();
  readonly #reached = new WeakMap<NodeClass, Bits>();
  readonly #reaching = new WeakMap<NodeClass, Bits>();
  readonly #covers = new Map<string, Cover>();

  constructor(plan: Plan, population: Population, options: EngineOptions) {
    this.#plan = plan;
    this.#population = population;
    this.#options = options;
    const size = plan.selectors.length;
    this.#selfSources = emptyBits(size);
    for (const rule of plan.rules.values()) {
      if (!rule.reaches) continue;
      if (rule.self.length > 0) addBits(this.#selfSources, rule.sourceBits);
      for (const { index, admissions } of rule.targets) {
        const open = admissions.length > 0 && plan.selectors[index]?.via.length === 0;
        addBits((this.#sourcesOf[index] ??= emptyBits(size)), rule.sourceBits);
        for (const source of rule.sources) {
          setBit((this.#targetsOf[source] ??= emptyBits(size)), index);
          if (open) setBit((this.#openOf[source] ??= emptyBits(size)), index);
        }
      }
    }
  }

  sees(a: NodeClass, b: NodeClass): boolean {
    if (intersects(this.#reachedBy(a), b.targets)) return true;
    if (intersects(this.#reachedBy(b), a.targets)) return true;
    if (a.owner === undefined || a.owner !== b.owner) return false;
    return intersects(a.sources, this.#selfSources) || intersects(b.sources, this.#selfSources);
  }

  /** All whom a class sees, itself where its nodes see each other. */
  seenBy(viewer: NodeClass, classes: ClassTable): readonly NodeClass[] {
    const seen = classes.meant(this.#reachedBy(viewer), this.#reachingTo(viewer));
    const siblings = viewer.owner === undefined ? [] : classes.ofOwner(viewer.owner);
    for (const each of siblings) if (this.sees(viewer, each)) setBit(seen, each.ordinal);
    return classes.withOrdinals(seen);
  }

  visibleRoutes(
    viewer: NodeClass,
    router: PolicyNode,
    served: readonly Prefix[],
  ): readonly Prefix[] {
    const primary = new Set(served.map(formatPrefix));
    const standby = router.routes.filter((route) => !primary.has(formatPrefix(route)));
    return [
      ...served.filter((route) => this.#isVisible(viewer, router, route, true)),
      ...standby.filter((route) => this.#isVisible(viewer, router, route, false)),
    ];
  }

  #isVisible(viewer: NodeClass, router: PolicyNode, route: Prefix, isPrimary: boolean): boolean {
    const cover = this.#cover(route);
    const reached = this.#reachedBy(viewer);
    const steered = cover.steered.filter(({ index }) => hasBit(reached, index));
    if (isExitRoute(route)) {
      // Whoever uses an exit node chooses one: several may be offered.
      return intersects(reached, cover.targets) || steered.some((each) => mayForward(each, router));
    }
    if (steered.length > 0 && !intersects(this.#openTo(viewer), cover.targets)) {
      const among = this.#population
        .servers(formatPrefix(route))
        .filter((node) => steered.some((each) => mayForward(each, node)))
        .map(({ id }) => id);
      if (among.length > 0) return this.#choose(route, among) === router.id;
    }
    if (!isPrimary) return false;
    if (intersects(reached, cover.targets)) return true;
    if (intersects(this.#reachingTo(viewer), cover.sources)) return true;
    const text = formatPrefix(route);
    return viewer.router?.routes.some((own) => formatPrefix(own) === text) === true;
  }

  #choose(route: Prefix, among: readonly number[]): number | undefined {
    return this.#options.choose === undefined ? among[0] : this.#options.choose(route, among);
  }

  /** The destinations that rules let a class reach. */
  #reachedBy(nodeClass: NodeClass): Bits {
    return this.#joined(nodeClass, nodeClass.sources, this.#targetsOf, this.#reached);
  }

  /** The destinations to which rules let a class send by any router. */
  #openTo(nodeClass: NodeClass): Bits {
    return this.#joined(nodeClass, nodeClass.sources, this.#openOf, this.#open);
  }

  /** The sources that rules let reach a class. */
  #reachingTo(nodeClass: NodeClass): Bits {
    return this.#joined(nodeClass, nodeClass.targets, this.#sourcesOf, this.#reaching);
  }

  #joined(
    nodeClass: NodeClass,
    bits: Bits,
    rows: readonly (Bits | undefined)[],
    cache: WeakMap<NodeClass, Bits>,
  ): Bits {
    const known = cache.get(nodeClass);
    if (known !== undefined) return known;
    const joined = emptyBits(this.#plan.selectors.length);
    eachBit(bits, (index) => {
      const row = rows[index];
      if (row !== undefined) addBits(joined, row);
    });
    cache.set(nodeClass, joined);
    return joined;
  }

  #cover(route: Prefix): Cover {
    const text = formatPrefix(route);
    const known = this.#covers.get(text);
    if (known !== undefined) return known;
    const { selectors } = this.#plan;
    const sources = emptyBits(selectors.length);
    const targets = emptyBits(selectors.length);
    const steered: Selector[] = [];
    const exit = isExitRoute(route);
    setBit(targets, ANY);
    setBit(sources, ANY);
    setBit(sources, DANGER_ALL);
    for (const selector of selectors) {
      if (selector?.classing !== true || selector.postures.length > 0) continue;
      if (!overlapsRoute(selector, route, exit)) continue;
      if (selector.via.length > 0) {
        steered.push(selector);
        continue;
      }
      setBit(targets, selector.index);
      setBit(sources, selector.index);
    }
    if (this.#covers.size >= MAX_COVERS) this.#covers.clear();
    const cover: Cover = { sources, targets, steered };
    this.#covers.set(text, cover);
    return cover;
  }
}

function overlapsRoute(selector: Selector, route: Prefix, exit: boolean): boolean {
  const { alias, prefixes, via, behind } = selector;
  if (alias.kind === 'any') return via.length > 0 || behind;
  if (isAutogroup(alias, 'internet')) return exit;
  if (exit) return prefixes.some(overlapsInternet);
  return prefixes.some((prefix) => overlaps(prefix, route));
}
