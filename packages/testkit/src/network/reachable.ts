/**
 * Which nodes can reach which directly at all: found out by machines that know nothing of path finding and
 * just keep sending to every address that they have heard of, in a network of the same make without loss.
 */
import { type Endpoint, endpointOf } from '@malla/ip/endpoint';
import { Host, Network, type Packet } from './network.ts';
import { build, type Place, RELAYS } from './places.ts';
import { Simulation } from './simulation.ts';

const PORT = 41_641;
const Kind = { whereAmI: 9, thereYouAre: 8, ping: 7, pong: 6 } as const;
const ROUNDS = 12;
const ROUND_MS = 400;

/** Whether the second of a pair of numbers answers the first. */
export type Reachable = (from: number, to: number) => boolean;

/** Tries it. */
export function reachable(places: readonly Place[]): Reachable {
  const simulation = new Simulation(1);
  const network = new Network(simulation, { latencyMs: [10, 20], loss: 0 });
  const reached = new Set<string>();
  const known = places.map(() => new Map<string, Endpoint>());
  for (const [i, address] of RELAYS.entries()) {
    const server: Host = new Host(`server-${i}`, ({ from, bytes }) => {
      const text = new TextEncoder().encode(from.text);
      server.send(3478, from, Uint8Array.of(Kind.thereYouAre, bytes[1] ?? 0, ...text));
    });
    server.move(network.internet, [address]);
  }
  const hosts = build(network, places).map(({ segment, addresses }, self) => {
    const host: Host = new Host(`node-${self}`, ({ from, bytes }: Packet) => {
      const [kind, who = 0] = bytes;
      if (kind === Kind.thereYouAre) {
        const port = Number(/:(\d+)$/.exec(new TextDecoder().decode(bytes.subarray(2)))?.[1]);
        const [four] = new TextDecoder().decode(bytes.subarray(2)).split(':');
        const seen = endpointOf(ipv4(four ?? ''), port);
        known[self]?.set(seen.text, seen);
      } else if (kind === Kind.ping) {
        known[who]?.set(from.text, from);
        host.send(PORT, from, Uint8Array.of(Kind.pong, self));
      } else if (kind === Kind.pong) reached.add(`${self}>${who}`);
    });
    host.move(segment, addresses);
    for (const own of addresses) known[self]?.set(String(own.value), endpointOf(own, PORT));
    return host;
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const [self, host] of hosts.entries()) {
      for (const address of RELAYS) {
        host.send(PORT, endpointOf(address, 3478), Uint8Array.of(Kind.whereAmI, self));
      }
      for (const [other, endpoints] of known.entries()) {
        if (other === self) continue;
        for (const endpoint of endpoints.values()) {
          host.send(PORT, endpoint, Uint8Array.of(Kind.ping, self));
        }
      }
    }
    simulation.run(ROUND_MS);
  }
  return (from, to) => reached.has(`${from}>${to}`);
}

function ipv4(text: string): { readonly family: 4; readonly value: bigint } {
  const value = text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  return { family: 4, value };
}
