/** The steps of migrations in the SQL of SQLite. Tables are STRICT, and an id is never used again. */
import type {
  ColumnDefinition,
  IndexDefinition,
  Step,
  TableDefinition,
} from '../migrations/migration.ts';

/** One statement for a step. */
export function ddlOf(step: Step): string {
  if ('create' in step) return createTable(step.create);
  if ('index' in step) return createIndex(step.index);
  return `ALTER TABLE ${step.addTo} ADD COLUMN ${columnSql(step.column)}`;
}

function createTable({ name, columns, unique = [], primaryKey }: TableDefinition): string {
  const lines = [
    ...columns.map(columnSql),
    ...(primaryKey === undefined ? [] : [`PRIMARY KEY (${primaryKey.join(', ')})`]),
    ...unique.map((names) => `UNIQUE (${names.join(', ')})`),
  ];
  const options = primaryKey === undefined ? 'STRICT' : 'STRICT, WITHOUT ROWID';
  return `CREATE TABLE ${name} (\n  ${lines.join(',\n  ')}\n) ${options}`;
}

function columnSql({
  name,
  type,
  nullable,
  unique,
  references,
  ...rest
}: ColumnDefinition): string {
  if (type === 'id') return `${name} INTEGER PRIMARY KEY AUTOINCREMENT`;
  const words = [name, type === 'integer' ? 'INTEGER' : 'TEXT'];
  if (nullable !== true) words.push('NOT NULL');
  if (unique === true) words.push('UNIQUE');
  if (references !== undefined) {
    words.push(`REFERENCES ${references} (id) DEFERRABLE INITIALLY DEFERRED`);
  }
  if (rest.default !== undefined) words.push(`DEFAULT ${literal(rest.default)}`);
  return words.join(' ');
}

function createIndex({ name, table, columns, unique, where }: IndexDefinition): string {
  const kind = unique === true ? 'UNIQUE INDEX' : 'INDEX';
  const only = where === undefined ? '' : ` WHERE ${where.column} ${where.isEmpty ? '=' : '<>'} ''`;
  return `CREATE ${kind} ${name} ON ${table} (${columns.join(', ')})${only}`;
}

function literal(value: number | string): string {
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`;
}
