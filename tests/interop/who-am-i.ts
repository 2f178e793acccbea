/**
 * A web site that answers with its visitor's address. `who-am-i.ts` serves on port 80 of its host, over
 * both families; `who-am-i.ts <address>` visits one and prints what it says, or nothing when there is no
 * answer.
 */
import { createServer } from 'node:http';
import { isIPv6 } from 'node:net';

const PATIENCE_MS = 1_500;
const [address] = process.argv.slice(2);

if (address === undefined) {
  const mapped = '::ffff:';
  createServer(({ socket: { remoteAddress = '' } }, response) =>
    response.end(
      remoteAddress.startsWith(mapped) ? remoteAddress.slice(mapped.length) : remoteAddress,
    ),
  ).listen(80);
} else {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const host = isIPv6(address) ? `[${address}]` : address;
  const answer = await fetch(`http://${host}/`, { signal }).catch(() => undefined);
  // A connection attempt that was given up would keep the process for seconds.
  process.stdout.write((await answer?.text()) ?? '', () => process.exit());
}
