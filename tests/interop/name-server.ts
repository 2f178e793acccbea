/**
 * A name server of the outside world, as a program in a lab host: answers A queries over UDP for the names
 * it is given as `name=address`, and that nothing else exists. Says `{"ready":true}` over IPC.
 *
 *     fork('name-server.ts', ['intranet.corp.example=192.0.2.7'])
 */
import { createSocket } from 'node:dgram';
import { answerTo, readQuestion, TYPE_A } from './dns-message.ts';

const records = new Map(
  process.argv.slice(2).map((record): [string, string] => {
    const [name = '', address = ''] = record.split('=');
    return [name.toLowerCase(), address];
  }),
);

const socket = createSocket('udp4', (query, from) => {
  const { name, type } = readQuestion(query);
  const address = records.get(name);
  const answer = answerTo(query, address !== undefined, type === TYPE_A ? address : undefined);
  socket.send(answer, from.port, from.address);
});
socket.bind(53, () => process.send?.({ ready: true }));
