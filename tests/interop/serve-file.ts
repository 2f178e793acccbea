/** `serve-file.ts <file>` is a web site, on port 80 of its host, that is this file alone; tells its parent when it is there. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [file = ''] = process.argv.slice(2);
createServer((_request, response) => response.end(readFileSync(file))).listen(80, () =>
  process.send?.('listening'),
);
