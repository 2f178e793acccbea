/** What went where in a simulated network, for whoever has to find out why a run failed. */
import type { Instant } from '@malla/base/engine';
import type { Endpoint } from '@malla/ip/endpoint';
import { looksLikeDisco } from '@malla/wire/disco/packet';
import { looksLikeStun } from '@malla/wire/stun/binding';

interface Flow {
  readonly at: Instant;
  readonly by: string;
  readonly to: string;
  readonly what: string;
}

/** The latest that are kept. */
const MAX_FLOWS = 5000;
const COLUMN = 16;

export class FlowLog {
  readonly #flows: Flow[] = [];

  /** A packet on one hop; `lost` says why it goes no further. */
  add(
    at: Instant,
    by: string,
    to: string | undefined,
    packet: { readonly from: Endpoint; readonly to: Endpoint; readonly bytes: Uint8Array },
    lost: string | undefined,
  ): void {
    const { bytes, from } = packet;
    const kind = looksLikeStun(bytes) ? 'stun' : looksLikeDisco(bytes) ? 'disco' : 'data';
    const fate = lost === undefined ? '' : ` (${lost})`;
    const what = `${kind} ${bytes.length} B ${from.text} to ${packet.to.text}${fate}`;
    this.note(at, by, what, to ?? by);
  }

  /** Anything else that happened. */
  note(at: Instant, by: string, what: string, to: string = by): void {
    this.#flows.push({ at, by, to, what });
    if (this.#flows.length > 2 * MAX_FLOWS) this.#flows.splice(0, MAX_FLOWS);
  }

  /** The last of them that concern any of the names, drawn with a column for each place. */
  draw(names: readonly string[], last: number): string {
    const flows = this.#flows
      .filter(({ by, to }) => names.includes(by) || names.includes(to))
      .slice(-last);
    const columns = [...new Set(flows.flatMap(({ by, to }) => [by, to]))];
    const lines = flows.map(({ at, by, to, what }) => {
      const a = columns.indexOf(by);
      const b = columns.indexOf(to);
      const cells = columns.map((_, i) => {
        if (i === a) return a === b ? '*' : 'o';
        if (i === b) return b > a ? '>' : '<';
        return i > Math.min(a, b) && i < Math.max(a, b) ? '-' : '|';
      });
      const drawn = cells
        .map((cell, i) => {
          const isArrow = i >= Math.min(a, b) && i < Math.max(a, b);
          return cell + (isArrow ? '-' : ' ').repeat(COLUMN - 1);
        })
        .join('');
      return `${(at / 1000).toFixed(3).padStart(9)}  ${drawn} ${what}`;
    });
    const head = columns.map((name) => name.slice(0, COLUMN - 1).padEnd(COLUMN)).join('');
    return [`${' '.repeat(11)}${head}`, ...lines].join('\n');
  }
}
