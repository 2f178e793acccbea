/**
 * node:http and node:https without what an `import` brings. It reads every export at once, and one of
 * those of node:http loads Node's own fetch: 5 MB of resident memory and 20 ms at every start.
 *
 * Observed: node 26.10. tests/architecture.test.ts keeps other modules from importing them.
 */

export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
