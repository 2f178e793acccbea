/**
 * The tables and how each field of a row is kept. Every field of every row type has its column here, or
 * this does not compile; schema.sql has the same columns, or preparing the statements fails.
 */
import { MallaError } from '@malla/base/error';
import { RegisterMethod } from '@malla/netmap/node';
import { POLICY_SOURCES, type TableName, type Tables } from '../core/change.ts';
import {
  type Column,
  flag,
  hostinfo,
  integer,
  key,
  oneOf,
  openSet,
  optional,
  type SqlValue,
  text,
  texts,
} from './columns.ts';
import type { PolicyHead } from './store.ts';

export interface TableShape {
  readonly name: string;
  /** The SQL names, `id` first; values go in this order. */
  readonly columns: readonly string[];
}

export interface Table<Row> extends TableShape {
  readonly encode: (row: Row) => SqlValue[];
  /**
   * Undefined for a row of a kind that only later programs know: it is left where it is. Throws MallaError
   * `store.corrupt` that names row and column.
   */
  readonly decode: (values: readonly unknown[]) => Row | undefined;
}

const RECORD_TYPES = ['A', 'AAAA'] as const;

export const TABLES: { readonly [T in TableName]: Table<Tables[T]> } = {
  user: table<Tables['user']>('users', {
    id: integer,
    tailnet: integer,
    name: text,
    displayName: text,
    email: text,
    pictureUrl: text,
    provider: text,
    providerId: text,
    createdAt: integer,
  }),
  node: table<Tables['node']>('nodes', {
    id: integer,
    tailnet: integer,
    machineKey: key('mkey'),
    nodeKey: key('nodekey'),
    discoKey: optional(key('discokey')),
    userId: optional(integer),
    tags: texts,
    hostname: text,
    name: text,
    nameIsFixed: flag,
    ipv4: optional(text),
    ipv6: optional(text),
    hostinfo,
    endpoints: texts,
    homeDerp: integer,
    capVersion: integer,
    registerMethod: openSet(Object.values(RegisterMethod), RegisterMethod.cli),
    preAuthKeyId: optional(integer),
    ephemeral: flag,
    expiry: optional(integer),
    createdAt: integer,
    lastSeen: optional(integer),
    approvedRoutes: texts,
  }),
  preAuthKey: table<Tables['preAuthKey']>('pre_auth_keys', {
    id: integer,
    tailnet: integer,
    prefix: text,
    hash: text,
    userId: optional(integer),
    tags: texts,
    reusable: flag,
    ephemeral: flag,
    used: flag,
    expiration: optional(integer),
    revokedAt: optional(integer),
    description: text,
    createdAt: integer,
  }),
  apiKey: table<Tables['apiKey']>('api_keys', {
    id: integer,
    tailnet: integer,
    prefix: text,
    hash: text,
    expiration: optional(integer),
    lastSeen: optional(integer),
    createdAt: integer,
  }),
  audit: table<Tables['audit']>('audit_entries', {
    id: integer,
    tailnet: integer,
    nodeId: integer,
    action: text,
    details: text,
    timestamp: integer,
  }),
  dnsRecord: table<Tables['dnsRecord']>(
    'dns_records',
    {
      id: integer,
      tailnet: integer,
      name: text,
      type: oneOf(RECORD_TYPES),
      value: text,
      createdAt: integer,
    },
    { type: RECORD_TYPES },
  ),
  policy: table<Tables['policy']>('policies', {
    id: integer,
    tailnet: integer,
    source: openSet(POLICY_SOURCES, 'database'),
    author: text,
    createdAt: integer,
    text,
  }),
};

/** Of the versions of the policy all but their texts. */
export const POLICY_HEADS = table<PolicyHead>('policies', {
  id: integer,
  tailnet: integer,
  source: openSet(POLICY_SOURCES, 'database'),
  author: text,
  createdAt: integer,
});

function table<Row>(
  name: string,
  fields: { readonly [F in keyof Row & string]: Column<Row[F]> },
  kinds: { readonly [F in keyof Row & string]?: readonly string[] } = {},
): Table<Row> {
  const names = Object.keys(fields) as (keyof Row & string)[];
  const columns = names.map((field) =>
    field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
  return {
    name,
    columns,
    encode: (row) => names.map((field) => fields[field].encode(row[field])),
    decode: (values) => {
      const row: Partial<Row> = {};
      for (const [i, field] of names.entries()) {
        const stored = values[i];
        const known = kinds[field];
        if (known !== undefined && typeof stored === 'string' && !known.includes(stored)) {
          return undefined;
        }
        const value = fields[field].decode(stored);
        if (!value.ok) throw corrupt(name, String(values[0]), columns[i] ?? '', value.error);
        row[field] = value.value;
      }
      return row as Row;
    },
  };
}

function corrupt(tableName: string, id: string, column: string, expected: string): MallaError {
  return new MallaError(
    'store.corrupt',
    `the database is damaged: in table ${tableName}, row ${id}, column ${column} is not ${expected}`,
    { details: { table: tableName, id, column } },
  );
}
