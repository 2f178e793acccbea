/** The server that abuse.test.ts attacks, in a process of its own. Prints where it is and a key. */
import { TestServer } from './test-server.ts';

const server = await TestServer.start({ sharedRelay: true });
const key = await server.key(await server.user('alice'));
process.stdout.write(`${JSON.stringify({ url: server.url, key })}\n`);
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});
