/** Every migration of this program, in order. */
import { firstSchema } from './0001-first-schema.ts';
import { policies } from './0002-policies.ts';
import { dnsRecords } from './0003-dns-records.ts';
import { revisions } from './0004-revisions.ts';
import type { Migration } from './migration.ts';

export const MIGRATIONS: readonly Migration[] = [firstSchema, policies, dnsRecords, revisions];
