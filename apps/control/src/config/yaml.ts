/**
 * The YAML library, loaded when there is YAML to read: that takes 20 ms and 9 MB, and most commands find
 * what they need without ({@link ./glance.ts}).
 */
import { createRequire } from 'node:module';

type Yaml = typeof import('yaml');

const require = createRequire(import.meta.url);
let loaded: Yaml | undefined;

/** The library. */
export function yaml(): Yaml {
  return (loaded ??= require('yaml') as Yaml);
}
