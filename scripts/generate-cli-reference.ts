/** Writes docs/reference/cli.md from the tree of commands. */
import { writeFileSync } from 'node:fs';
import { readTree } from '@malla/cli/completion/tree';
import { createProgram } from '@malla/cli/program';
import { renderCliReference } from '@malla/cli/reference';
import { silentCli } from '@malla/cli/testing/cli';

const reference = renderCliReference(readTree(await createProgram(silentCli)));
writeFileSync(new URL('../docs/reference/cli.md', import.meta.url), reference);
