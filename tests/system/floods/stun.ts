/** A flood of STUN: questions of nodes as fast as they can be sent, and datagrams that are none. */
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { encodeBindingRequest } from '@malla/wire/stun/binding';
import type { Flood } from './aim.ts';

export const stun: Flood = async (aim) => {
  const socket = dgram.createSocket('udp4');
  socket.on('error', () => {});
  socket.bind(0, aim.from);
  for (let next = 0; ; next++) {
    const datagram = next % 4 === 0 ? randomBytes(1_200) : encodeBindingRequest(randomBytes(12));
    socket.send(datagram, aim.stunPort, aim.host);
    if (next % 50 === 0) await new Promise(setImmediate);
  }
};
