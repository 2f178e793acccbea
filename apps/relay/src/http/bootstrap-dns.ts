/**
 * Bootstrap DNS: addresses of the control server and of relays, for clients whose own DNS does not
 * work (often because it runs through the tailnet they cannot reach yet).
 *
 * Only configured names are answered; answers are kept for {@link TTL_MS}, and an old one is better
 * than none.
 *
 * Source: docs/protocol/derp.md §7.
 */
import { isIP } from 'node:net';
import type { Clock } from '@malla/platform/clock';
import type { Resolve } from './resolve.ts';

/** Names that are answered; more are ignored. */
export const MAX_NAMES = 256;
/** How long an answer is used before it is asked for again. */
const TTL_MS = 5 * 60_000;
/** The same after a failure. */
const RETRY_MS = 30_000;
/** At a time, so that a long map is no burst to the name servers. */
const MAX_LOOKUPS = 2;

interface Entry {
  addresses: readonly string[];
  staleAt: number;
}

export class BootstrapDns {
  readonly #names: () => readonly string[];
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #refreshing: Promise<void> | undefined;

  /** `names` is asked each time, so that it may follow a DERP map. */
  constructor(names: () => readonly string[], resolve: Resolve, clock: Clock) {
    this.#names = names;
    this.#resolve = resolve;
    this.#clock = clock;
  }

  /** The addresses of `question` where it is one of the names, else of all. Never rejects. */
  async answer(question: string | null): Promise<Record<string, readonly string[]>> {
    const names = [...new Set(this.#names())].slice(0, MAX_NAMES);
    const asked = question !== null && names.includes(question) ? [question] : names;
    if (names.some((name) => this.#isStale(name))) {
      this.#refreshing ??= this.#refresh(names).finally(() => {
        this.#refreshing = undefined;
      });
      // Only who would get nothing has to wait.
      if (asked.some((name) => !this.#entries.has(name))) await this.#refreshing;
    }
    return Object.fromEntries(
      asked.flatMap((name) => {
        const { addresses = [] } = this.#entries.get(name) ?? {};
        return addresses.length > 0 ? [[name, addresses]] : [];
      }),
    );
  }

  #isStale(name: string): boolean {
    const entry = this.#entries.get(name);
    return entry === undefined || this.#clock.now() >= entry.staleAt;
  }

  async #refresh(names: readonly string[]): Promise<void> {
    for (const name of this.#entries.keys()) if (!names.includes(name)) this.#entries.delete(name);
    const left = names.filter((name) => this.#isStale(name));
    const worker = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) await this.#lookUp(name);
    };
    await Promise.all(Array.from({ length: MAX_LOOKUPS }, worker));
  }

  async #lookUp(name: string): Promise<void> {
    const old = this.#entries.get(name)?.addresses ?? [];
    let addresses: readonly string[] = [];
    try {
      addresses = isIP(name) > 0 ? [name] : await this.#resolve(name);
    } catch {
      // The old answer stays.
    }
    const found = addresses.length > 0;
    this.#entries.set(name, {
      addresses: found ? addresses : old,
      staleAt: this.#clock.now() + (found ? TTL_MS : RETRY_MS),
    });
  }
}
