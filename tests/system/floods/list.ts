/** Every way in, and the flood that comes that way. A new one is a function and a line here. */
import type { Flood } from './aim.ts';
import * as http from './http.ts';
import * as noise from './noise.ts';
import { stun } from './stun.ts';
import * as upgrades from './upgrades.ts';

export const FLOODS: Readonly<Record<string, Flood>> = { ...http, ...upgrades, ...noise, stun };

/** No flood, to compare with. */
export const CALM: Flood = () => new Promise(() => {});
