/** Draws docs/pictures/first-tailnet.svg from the session beside it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { drawTerminal } from './terminal-picture.ts';

const PICTURES = new URL('../docs/pictures/', import.meta.url);
const session = readFileSync(new URL('first-tailnet.txt', PICTURES), 'utf8');
writeFileSync(
  new URL('first-tailnet.svg', PICTURES),
  drawTerminal(session, 'A server is started, a laptop joins and reaches the machine at home'),
);
