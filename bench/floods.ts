/**
 * What floods do to a server and to its honest clients:
 *
 *     node bench/floods.ts [NAME …] [--seconds 10] [--same] [--trusted] [--proxied]
 *
 * The flood comes from another address than the honest clients; `--same`: from theirs; `--trusted`: both
 * by a proxy that the server trusts, which names their addresses; `--proxied`: by one that it does not.
 */
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { flooded } from '../tests/system/floods/flood.ts';
import { percentile } from '../tests/system/floods/honest.ts';
import { FLOODS } from '../tests/system/floods/list.ts';
import { Victim } from '../tests/system/floods/victim.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    same: { type: 'boolean', default: false },
    trusted: { type: 'boolean', default: false },
    proxied: { type: 'boolean', default: false },
  },
});
const names = positionals.length > 0 ? positionals : ['calm', ...Object.keys(FLOODS)];
const viaProxy = values.trusted || values.proxied;
const from = values.same || viaProxy ? '127.0.0.1' : '127.0.0.2';
const forwarded = viaProxy ? 'X-Forwarded-For: 192.0.2.66\r\n' : '';
const headers = viaProxy ? { 'X-Forwarded-For': '192.0.2.1' } : {};

console.log(
  'flood             GET /key ms: p50    p99    max    n  joined failed  MB: peak after later',
);
for (const name of names) {
  const yaml = values.trusted ? 'trusted_proxies: [127.0.0.1/32]\n' : '';
  const victim = await Victim.start({ yaml });
  const authKey = victim.reusableKey();
  const options = { seconds: Number(values.seconds), authKey, from, forwarded, headers };
  const seen = await flooded(victim, name, options);
  await sleep(5_000);
  const { waits, joined, failures, peakMb, afterMb } = seen;
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => percentile(waits, share).toFixed(0));
  const columns = [
    name.padEnd(24),
    ...[
      p50,
      p99,
      max,
      waits.length,
      joined,
      failures.length,
      peakMb,
      afterMb,
      victim.residentMb(),
    ].map((value) => String(value).padStart(6)),
  ];
  console.log(columns.join(' '), [...new Set(failures)].slice(0, 2).join('; '));
  await victim.program.end('SIGTERM');
}
