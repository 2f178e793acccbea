/** The process that floods: `attacker.ts NAME AIM`, with the aim as JSON. Ends when it is killed. */
import type { Aim } from './aim.ts';
import { CALM, FLOODS } from './list.ts';

const [, , name = '', aim = ''] = process.argv;
const flood = name === 'calm' ? CALM : FLOODS[name];
if (flood === undefined) throw new Error(`no flood ${name}`);
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit(0));
process.stdout.write('begun\n');
await flood(JSON.parse(aim) as Aim);
