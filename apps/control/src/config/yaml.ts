/**
 * The YAML library, loaded when there is YAML to read: that takes 20 ms and 9 MB, and most commands find
 * what they need without ({@link ./glance.ts}).
 */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

const require = createRequire(import.meta.url);
let loaded: typeof Yaml | undefined;

/** The library. */
export function yaml(): typeof Yaml {
  return (loaded ??= require('yaml') as typeof Yaml);
}
