/**
 * `knock.ts listen <port>...` lets everybody connect to its TCP ports and tells its parent when it does.
 * `knock.ts <address> <port>...` prints which of these ports can be connected to.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** After which a port that says nothing counts as closed, ms; in the tunnel a packet that is refused is dropped. */
const PATIENCE_MS = 500;
const [address = '', ...ports] = process.argv.slice(2);

if (address === 'listen') {
  for (const port of ports) {
    const server = createServer((socket) => socket.on('error', () => undefined).end());
    await once(server.listen(Number(port)), 'listening');
  }
  process.send?.('listening');
} else {
  const answers = await Promise.all(
    ports.map(async (port) => ((await isOpen(Number(port))) ? port : [])),
  );
  // A connection attempt that was given up would keep the process for minutes.
  process.stdout.write(answers.flat().join(' '), () => process.exit());
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, address);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return once(socket, 'connect', { signal }).then(
    () => true,
    () => false,
  );
}
