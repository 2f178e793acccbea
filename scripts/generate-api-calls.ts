/** Writes packages/api/src/calls.json from the route table. */
import { writeFileSync } from 'node:fs';
import { makeCallTable } from '@malla/api/call-table';

const file = new URL('../packages/api/src/calls.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(makeCallTable(), undefined, 1)}\n`);
