/**
 * Preloaded into our server (`node --import`) to give it a clock that is wrong by MALLA_LAB_CLOCK_MS: a
 * namespace cannot have a time of day of its own.
 */
const offset = Number(process.env['MALLA_LAB_CLOCK_MS']);
const RightDate = Date;

globalThis.Date = class extends RightDate {
  constructor(...parts: [] | [value: string | number | Date]) {
    if (parts.length === 0) super(RightDate.now() + offset);
    else super(...parts);
  }

  static override now(): number {
    return RightDate.now() + offset;
  }
} as DateConstructor;
