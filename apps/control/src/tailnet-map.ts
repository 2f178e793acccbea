/**
 * The parts of a map response that do not depend on who asks: relays, DNS, and what every node may do.
 */
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { CapMap } from '@malla/netmap/tailcfg-node';
import { encodeDnsConfig } from '@malla/netmap/tailcfg-dns';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import type { Config, ExtraRecord } from './config/config.ts';
import { Common } from './fanout/change-log.ts';

export class TailnetMap {
  readonly #config: Config;
  readonly #capMap: CapMap;
  #derpMap: DerpMap;
  #extraRecords: readonly ExtraRecord[];
  readonly #members = new Map<number, string>();

  constructor(config: Config, derpMap: DerpMap) {
    this.#config = config;
    this.#derpMap = derpMap;
    this.#extraRecords = config.dns.extraRecords;
    this.#capMap = capabilities(config);
  }

  get derpMap(): DerpMap {
    return this.#derpMap;
  }

  /** Takes a new DERP map; false when it says the same as the old one. */
  setDerpMap(derpMap: DerpMap): boolean {
    if (JSON.stringify(derpMap) === JSON.stringify(this.#derpMap)) return false;
    this.#derpMap = derpMap;
    this.#members.delete(Common.derpMap);
    return true;
  }

  /** Takes other records in the place of those of the configuration. */
  setExtraRecords(records: readonly ExtraRecord[]): void {
    this.#extraRecords = records;
    this.#members.delete(Common.dns);
  }

  /** The shared members of a message, for the asked bits of `Common`. */
  commonMembers(parts: number): readonly string[] {
    const out: string[] = [];
    for (const part of [Common.derpMap, Common.dns]) {
      if ((parts & part) === 0) continue;
      let member = this.#members.get(part);
      if (member === undefined) this.#members.set(part, (member = this.#member(part)));
      out.push(member);
    }
    return out;
  }

  /** What only the first message of a stream says. */
  firstMembers(): readonly string[] {
    const members = [
      `"Domain":${JSON.stringify(this.#config.dns.baseDomain || new URL(this.#config.serverUrl).hostname)}`,
    ];
    if (!this.#config.logtail.enabled) members.push('"Debug":{"DisableLogTail":true}');
    return members;
  }

  capMapOf(): CapMap {
    return this.#capMap;
  }

  #member(part: number): string {
    if (part === Common.derpMap) return `"DERPMap":${JSON.stringify(this.#derpMap)}`;
    const dns = { ...this.#config.dns, extraRecords: this.#extraRecords };
    return `"DNSConfig":${encodeDnsConfig(dns, prefixesOf(this.#config))}`;
  }
}

/** What every node may do. */
function capabilities(config: Config): CapMap {
  return {
    'https://tailscale.com/cap/is-admin': null,
    'https://tailscale.com/cap/ssh': null,
    ...(config.taildrop.enabled ? { 'https://tailscale.com/cap/file-sharing': null } : {}),
    'default-auto-update': [config.autoUpdate.enabled],
    // Lets a client come up with the last map while the server is away.
    'cache-network-maps': null,
  };
}

/** The tailnet's prefixes; the configuration has checked them. */
export function prefixesOf(config: Config): readonly Prefix[] {
  return [prefixOf(config.prefixes.v4), prefixOf(config.prefixes.v6)].filter(
    (prefix) => prefix !== undefined,
  );
}

/** A checked prefix. */
export function prefixOf(text: string | undefined): Prefix | undefined {
  const prefix = text === undefined ? undefined : parsePrefix(text);
  return prefix?.ok === true ? prefix.value : undefined;
}
