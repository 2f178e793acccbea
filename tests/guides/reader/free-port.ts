/** A port that was free a moment ago, for a server whose address must be known before it starts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** On loopback. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  return address.port;
}
