/** Writes config.example.yaml and docs/reference/config.md from the configuration's table of keys. */
import { writeFileSync } from 'node:fs';
import { renderExample, renderReference } from '@malla/control/config/reference';

const root = new URL('..', import.meta.url);
writeFileSync(new URL('config.example.yaml', root), renderExample());
writeFileSync(new URL('docs/reference/config.md', root), renderReference());
