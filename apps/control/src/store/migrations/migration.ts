/**
 * What a migration is: one step of the schema, forward only, said so that every engine can take it. The
 * engine turns it into its own SQL (sqlite/ddl.ts).
 *
 * Old programs open new databases as long as they can: a migration that only adds tables, indexes, or columns with
 * defaults leaves `minReader` as it was, since who does not know of them writes rows by the names of its own
 * columns. One that takes away, renames or means something else must raise it to its own version.
 */

export interface Migration {
  /** 1, 2, 3, ... without gaps; the database remembers the last one applied. */
  readonly version: number;
  /** As in the file's name. */
  readonly title: string;
  /** The oldest schema version whose programs can use the database after this step. */
  readonly minReader: number;
  /** Run in one transaction, with foreign keys unchecked until its end. */
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly create: TableDefinition }
  | {
      readonly addTo: string;
      readonly column: ColumnDefinition & { readonly default: number | string };
    }
  | { readonly index: IndexDefinition };

export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly ColumnDefinition[];
  /** Sets of columns whose values occur once. */
  readonly unique?: readonly (readonly string[])[];
  /** Columns whose values together name a row; absent: the table has an `id` column. */
  readonly primaryKey?: readonly string[];
}

export interface ColumnDefinition {
  readonly name: string;
  /** `id`: the number of a row, given by the program and never used again. Integers have 64 bits. */
  readonly type: 'id' | 'integer' | 'text';
  readonly nullable?: boolean;
  readonly unique?: boolean;
  /** A table whose `id` it names; checked when the transaction ends. */
  readonly references?: string;
  /** What rows have that were there before, and those of programs that do not know the column. */
  readonly default?: number | string;
}

export interface IndexDefinition {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly unique?: boolean;
  /** Only rows whose column is, or is not, the empty text. */
  readonly where?: { readonly column: string; readonly isEmpty: boolean };
}

/** A column that is never absent. */
export function column(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type };
}

/** A column that may be absent. */
export function nullable(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type, nullable: true };
}

/** Columns of one type that are never absent. */
export function columns(
  type: ColumnDefinition['type'],
  ...names: readonly string[]
): readonly ColumnDefinition[] {
  return names.map((name) => column(name, type));
}
