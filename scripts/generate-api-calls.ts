/** Writes packages/api/src/v1/calls.json from the route table. */
import { writeFileSync } from 'node:fs';
import { makeCallTable } from '@malla/api/call-table';
import { apiV1 } from '@malla/api/v1/table';

const file = new URL('../packages/api/src/v1/calls.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(makeCallTable(apiV1), undefined, 1)}\n`);
