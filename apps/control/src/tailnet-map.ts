/**
 * The parts of a map response that do not depend on who asks: relays, DNS, and what every node may do.
 */
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { mapMember } from '@malla/wire/tailcfg/map-response';
import type { CapMap } from '@malla/wire/tailcfg/node';
import { EveryNode, RANDOMIZE_CLIENT_PORT } from '@malla/wire/tailcfg/node-attributes';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import type { TailnetConfig } from './config/config.ts';
import type { TailnetDns } from './dns/tailnet-dns.ts';
import { Common } from './fanout/change-log.ts';

export class TailnetMap {
  readonly #config: TailnetConfig;
  readonly #serverUrl: string;
  readonly #capMap: CapMap;
  readonly #dns: TailnetDns;
  #derpMap: DerpMap;
  #derpMapMember: string | undefined;

  /** `serverUrl` gives a tailnet without a base domain its name. */
  constructor(config: TailnetConfig, serverUrl: string, derpMap: DerpMap, dns: TailnetDns) {
    this.#config = config;
    this.#serverUrl = serverUrl;
    this.#derpMap = derpMap;
    this.#dns = dns;
    this.#capMap = { ...capabilities(config), ...dns.capabilities };
  }

  get derpMap(): DerpMap {
    return this.#derpMap;
  }

  /** Takes a new DERP map; false when it says the same as the old one. */
  setDerpMap(derpMap: DerpMap): boolean {
    if (JSON.stringify(derpMap) === JSON.stringify(this.#derpMap)) return false;
    this.#derpMap = derpMap;
    this.#derpMapMember = undefined;
    return true;
  }

  /** The shared members of a message, for the asked bits of `Common`. */
  commonMembers(parts: number): readonly string[] {
    const out: string[] = [];
    if (parts & Common.derpMap) {
      out.push((this.#derpMapMember ??= mapMember('DERPMap', this.#derpMap)));
    }
    if (parts & Common.dns && this.#dns.isShared) {
      out.push(`"DNSConfig":${this.#dns.sharedDnsConfig()}`);
    }
    return out;
  }

  /** What only the first message of a stream says. */
  firstMembers(): readonly string[] {
    const members = [
      mapMember('Domain', this.#config.dns.baseDomain || new URL(this.#serverUrl).hostname),
    ];
    if (!this.#config.logtail.enabled) members.push(mapMember('Debug', { DisableLogTail: true }));
    return members;
  }

  capMapOf(): CapMap {
    return this.#capMap;
  }

  /** The members of a message that are a node's own, given the capabilities that the policy gives it. */
  ownMembers(node: Node, attributes: CapMap): readonly string[] {
    if (this.#dns.isShared) return [];
    const dns = this.#dns.dnsConfigOf(node, attributes) ?? this.#dns.sharedDnsConfig();
    return [`"DNSConfig":${dns}`];
  }
}

/** What every node may do. */
function capabilities(config: TailnetConfig): CapMap {
  return {
    [EveryNode.admin]: null,
    [EveryNode.ssh]: null,
    ...(config.taildrop.enabled ? { [EveryNode.fileSharing]: null } : {}),
    ...(config.randomizeClientPort ? { [RANDOMIZE_CLIENT_PORT]: null } : {}),
    [EveryNode.defaultAutoUpdate]: [config.autoUpdate.enabled],
    [EveryNode.cacheNetworkMaps]: null,
  };
}

/** The tailnet's prefixes; the configuration has checked them. */
export function prefixesOf(config: TailnetConfig): readonly Prefix[] {
  return [prefixOf(config.prefixes.v4), prefixOf(config.prefixes.v6)].filter(
    (prefix) => prefix !== undefined,
  );
}

/** A checked prefix. */
export function prefixOf(text: string | undefined): Prefix | undefined {
  const prefix = text === undefined ? undefined : parsePrefix(text);
  return prefix?.ok === true ? prefix.value : undefined;
}
