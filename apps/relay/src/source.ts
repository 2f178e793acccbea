/** Where a client connects from. */
import type { Lease } from '@malla/platform/budget/budget';

export interface Source {
  readonly address: string;
  readonly port: number;
  /** Whether it would rather be on another node of the region (`Ideal-Node`). */
  readonly notIdeal?: boolean;
  /** Its connection's, where somebody counts them. */
  readonly lease?: Lease | undefined;
}
