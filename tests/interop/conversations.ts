/**
 * Whom a host speaks to of its own accord: every flow that it begins through its network card is kept by the
 * kernel (a dynamic set of nftables in the host's namespace), so that none is missed, however short. Answers
 * to others are not counted, nor what goes through a tunnel.
 */
import type { Host } from './lab.ts';

/** One flow, or many that differ only in the port that they came from. */
export interface Conversation {
  readonly protocol: string;
  readonly address: string;
  /** 0 for protocols that have none. */
  readonly port: number;
}

const TABLE = 'malla_lab';
const SETS = { with4: 'ipv4_addr', with6: 'ipv6_addr' } as const;
const FAMILY = { with4: 'ip', with6: 'ip6' } as const;

/** Begins to note whom a host speaks to. */
export async function noteConversations(host: Host): Promise<void> {
  const sets = Object.entries(SETS).flatMap(([name, type]) => [
    `set ${name} { type inet_proto . ${type} . inet_service; flags dynamic; size 65535; }`,
    `set ${name}_bare { type inet_proto . ${type}; flags dynamic; size 65535; }`,
  ]);
  const rules = Object.entries(FAMILY).flatMap(([name, family]) => [
    `meta l4proto { tcp, udp } add @${name} { meta l4proto . ${family} daddr . th dport }`,
    `meta l4proto != { tcp, udp } add @${name}_bare { meta l4proto . ${family} daddr }`,
  ]);
  const chain = ['type filter hook output priority 0', ...NONE, ...rules].join('\n');
  const table = `table inet ${TABLE} {\n${sets.join('\n')}\nchain out {\n${chain}\n}\n}\n`;
  await host.output(['nft', table]);
}

/** What is no conversation: what stays in the host, answers, and the discovery of neighbours and routers. */
const NONE = [
  'oifname != "eth0" return',
  'ct direction reply return',
  'icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } return',
];

/** Forgets whom it has spoken to until now. What goes on is noted again. */
export async function forgetConversations(host: Host): Promise<void> {
  const names = Object.keys(SETS).flatMap((name) => [name, `${name}_bare`]);
  const flushes = names.map((name) => `flush set inet ${TABLE} ${name}\n`);
  await host.output(['nft', flushes.join('')]);
}

/** Whom it has spoken to since. */
export async function conversationsOf(host: Host): Promise<readonly Conversation[]> {
  const listed = await host.output(['nft', '--json', 'list', 'table', 'inet', TABLE]);
  const { nftables } = JSON.parse(listed) as {
    readonly nftables: readonly {
      readonly set?: { readonly elem?: readonly Element[] };
    }[];
  };
  return nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map((element) => {
      const parts = 'concat' in element ? element.concat : element.elem.val.concat;
      const [protocol = 0, address, port = 0] = parts;
      const named = PROTOCOLS[protocol] ?? String(protocol);
      return { protocol: named, address: String(address), port: Number(port) };
    }),
  );
}

/** The lab has no `/etc/protocols`. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  1: 'icmp',
  2: 'igmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmpv6',
};

type Element = Concat | { readonly elem: { readonly val: Concat } };
interface Concat {
  readonly concat: readonly (string | number)[];
}
