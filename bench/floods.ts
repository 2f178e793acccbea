/**
 * What floods do to a server and to its honest clients, as a table:
 *
 *     node bench/floods.ts [NAME …] [--seconds 4] [--same] [--trusted] [--proxied]
 *
 * Server, flood and honest clients share this machine's processors: `calm`, which is no flood, is what an
 * answer takes there by itself. The flood comes from another address than the honest clients; `--same`: from
 * theirs; `--trusted`: both by a proxy that the server trusts, which names their addresses; `--proxied`: by
 * one that it does not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { flooded } from '../tests/system/floods/flood.ts';
import { percentile } from '../tests/system/floods/honest.ts';
import { FLOODS } from '../tests/system/floods/list.ts';
import { Victim } from '../tests/system/floods/victim.ts';
import { bench } from './report.ts';

const { values, positionals, report } = bench(import.meta.filename, {
  seconds: { type: 'string', default: '4' },
  same: { type: 'boolean', default: false },
  trusted: { type: 'boolean', default: false },
  proxied: { type: 'boolean', default: false },
});
const names = positionals.length > 0 ? positionals : ['calm', ...Object.keys(FLOODS)];
const unknown = names.find((name) => name !== 'calm' && !Object.hasOwn(FLOODS, name));
if (unknown !== undefined) {
  console.error(`there is no flood "${unknown}": ${['calm', ...Object.keys(FLOODS)].join(', ')}`);
  process.exit(2);
}
const viaProxy = values.trusted || values.proxied;
const from = values.same || viaProxy ? '127.0.0.1' : '127.0.0.2';
const forwarded = viaProxy ? 'X-Forwarded-For: 192.0.2.66\r\n' : '';
const headers = viaProxy ? { 'X-Forwarded-For': '192.0.2.1' } : {};

/** For memory to come back. */
const CALM_DOWN_MS = 3_000;
/** As long as the longest heading of a column. */
const WIDTH = 8;

let endVictim: (() => void) | undefined;
process.once('exit', () => endVictim?.());

row('', 'GET /key', '', '', '', 'relay', '', '', '', 'MB', '', '');
row(
  'flood',
  'half ms',
  '99 % ms',
  'all ms',
  'answers',
  'half ms',
  'all ms',
  'joined',
  'failed',
  'peak',
  'after',
  'later',
);
for (const name of names) {
  const yaml = values.trusted ? 'trusted_proxies: [127.0.0.1/32]\n' : '';
  const victim = await Victim.start({ yaml, atEnd: (end) => (endVictim = end) });
  const authKey = victim.reusableKey();
  const options = { seconds: Number(values.seconds), authKey, from, forwarded, headers };
  const seen = await flooded(victim, name, options);
  await sleep(CALM_DOWN_MS);
  const { waits, relayWaits, joined, failures, peakMb, afterMb } = seen;
  row(
    name,
    ...[0.5, 0.99, 1].map((share) => percentile(waits, share).toFixed(0)),
    waits.length,
    ...[0.5, 1].map((share) => percentile(relayWaits, share).toFixed(0)),
    joined,
    failures.length,
    peakMb,
    afterMb,
    victim.residentMb(),
  );
  report.add(`${name}, half of GET /key`, 'ms', percentile(waits, 0.5));
  report.add(`${name}, all of GET /key`, 'ms', percentile(waits, 1), 200);
  report.add(`${name}, peak resident`, 'MB', peakMb, 400);
  report.addFields(name, { joined, failed: failures.length });
  for (const failure of new Set(failures)) console.log(`  ${failure}`);
  await victim.program.end('SIGTERM');
}
report.finish({ isQuiet: true });

function row(name: string, ...cells: readonly (string | number)[]): void {
  console.log([name.padEnd(16), ...cells.map((value) => String(value).padStart(WIDTH))].join(' '));
}
