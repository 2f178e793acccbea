/** Metrics for Prometheus out of plain fields, which are read when somebody asks. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface Instruments {
  readonly gauge: (name: string, help: string, read: () => number) => void;
  /** `read` never gives less than before. */
  readonly counter: (name: string, help: string, read: () => number) => void;
  /** A counter for each name in `counts`, told apart by the label `reason`. */
  readonly byReason: (name: string, help: string, counts: Readonly<Record<string, number>>) => void;
}

/** What adds metrics to a registry. */
export function instruments(registry: Registry): Instruments {
  const registers = [registry];
  return {
    gauge: (name, help, read) => {
      const collect = (): void => metric.set(read());
      const metric: Gauge = new Gauge({ name, help, registers, collect });
    },
    counter: (name, help, read) => {
      const collect = (): void => {
        metric.reset();
        metric.inc(read());
      };
      const metric: Counter = new Counter({ name, help, registers, collect });
    },
    byReason: (name, help, counts) => {
      const collect = (): void => {
        metric.reset();
        for (const [reason, count] of Object.entries(counts)) metric.inc({ reason }, count);
      };
      const labelNames = ['reason'] as const;
      const metric: Counter<'reason'> = new Counter({ name, help, labelNames, registers, collect });
    },
  };
}
