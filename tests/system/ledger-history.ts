/**
 * What a database must hold, from what the ledger's workload told: for each row the values it was given
 * in order, and how far they were acknowledged. After a crash a row has its last acknowledged value, or
 * a later one that was stored and whose answer did not come out any more.
 */
import assert from 'node:assert/strict';

/** In place of a value that may not be there. */
const REFUSED = Symbol('refused');

interface Row {
  /** In order of application; undefined: deleted, or not yet made. */
  readonly values: (string | undefined | typeof REFUSED)[];
  /** Index of the last value that was acknowledged. */
  acknowledged: number;
}

export class LedgerHistory {
  /** Changes that were acknowledged. */
  acknowledged = 0;
  readonly failures: string[] = [];
  #rows = new Map<string, Row>();
  readonly #tried = new Map<number, { readonly row: Row; readonly index: number }>();

  /** Takes a line of the workload. A `loaded` line is checked against what was told before. */
  read(line: string): void {
    const [word = '', nth, ...rest] = line.split(' ');
    switch (word) {
      case 'loaded':
        this.#check(JSON.parse(line.slice('loaded '.length)) as Record<string, string>);
        return;
      case 'try': {
        const [table, id, name] = rest;
        const row = this.#row(`${table} ${id}`);
        row.values.push(name === '-' ? undefined : name);
        this.#tried.set(Number(nth), { row, index: row.values.length - 1 });
        return;
      }
      case 'done': {
        const tried = this.#tried.get(Number(nth));
        assert.ok(tried, line);
        tried.row.acknowledged = Math.max(tried.row.acknowledged, tried.index);
        this.acknowledged++;
        return;
      }
      case 'failed': {
        const tried = this.#tried.get(Number(nth));
        if (tried !== undefined) tried.row.values[tried.index] = REFUSED;
        this.failures.push(rest.join(' '));
        return;
      }
      default:
        assert.fail(`the workload said: ${line}`);
    }
  }

  #check(loaded: Record<string, string>): void {
    for (const key of new Set([...Object.keys(loaded), ...this.#rows.keys()])) {
      const { values, acknowledged } = this.#row(key);
      const allowed = values.slice(acknowledged);
      assert.ok(
        allowed.includes(loaded[key]),
        `${key} is ${loaded[key]}, and should be one of ${allowed.map(String).join(', ')}`,
      );
    }
    this.#rows = new Map(
      Object.entries(loaded).map(([key, name]) => [key, { values: [name], acknowledged: 0 }]),
    );
    this.#tried.clear();
  }

  #row(key: string): Row {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { values: [undefined], acknowledged: 0 };
      this.#rows.set(key, row);
    }
    return row;
  }
}
