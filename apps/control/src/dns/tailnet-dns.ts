/**
 * The DNS of one tailnet: where its records come from (configuration, a file, the database), the config
 * that all nodes share, and the few nodes that have one of their own. No files and no clock: records are
 * handed in.
 */
import type { Prefix } from '@malla/ip/prefix';
import { type DnsRecord, withoutRepeats } from '@malla/netmap/dns-record';
import { type DnsDevice, isNextDns, nextDnsAddress, nextDnsChoice } from '@malla/netmap/nextdns';
import type { Node } from '@malla/netmap/node';
import { differenceOf, Differs } from '@malla/netmap/node-difference';
import { type DnsSettings, encodeDnsConfig } from '@malla/netmap/tailcfg-dns';
import { SUBDOMAINS } from '@malla/wire/tailcfg/node-attributes';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { Change, StoredDnsRecord } from '../core/change.ts';
import { labelIn } from '../core/dns-records.ts';

/** Where a record comes from; only those in the database can be changed while the server runs. */
export type RecordSource = 'config' | 'file' | 'database';

export interface ListedRecord extends DnsRecord {
  readonly source: RecordSource;
  /** Of a row in the database. */
  readonly id: number | undefined;
  /** Unix ms, of a row in the database. */
  readonly createdAt: number | undefined;
}

export interface TailnetDnsOptions {
  readonly settings: DnsSettings;
  readonly prefixes: readonly Prefix[];
  /** Every node answers for the names below its own. */
  readonly wildcard: boolean;
  /** Records that the configuration has. */
  readonly fixed: readonly DnsRecord[];
  readonly stored: Iterable<StoredDnsRecord>;
}

/** In the JSON of a DNSConfig; no string in it can look like this, as its quotes are escaped. */
const NEXTDNS_ADDRESS = /(?<="Addr":")(https:\/\/dns\.nextdns\.io[^"\\]*)(?=")/;

/** No capabilities at all. */
const NONE: CapMap = {};
/** What {@link deviceOf} is made of. */
const DEVICE = Differs.hostname | Differs.hostinfo | Differs.addresses;
const UNSTORED = { id: undefined, createdAt: undefined };
const WILDCARD: CapMap = { [SUBDOMAINS]: null };

export class TailnetDns {
  readonly #options: TailnetDnsOptions;
  /** As the changes told here left them: the state may be ahead, of what a failing disk takes back. */
  readonly #stored = new Map<number, StoredDnsRecord>();
  readonly #nextDns: readonly string[];
  /** Whether all nodes have the same config: NextDNS tells them apart. */
  readonly isShared: boolean;
  #ofFile: readonly DnsRecord[] = [];
  /** Those of all sources, each once. */
  #records: readonly DnsRecord[];
  /** Of these, what nodes of their names would be called. */
  #labels: ReadonlySet<string> | undefined;
  #shared: string;
  /** The shared config, cut at the addresses of NextDNS, which stand at the odd places. */
  #pieces: readonly string[] | undefined;

  constructor(options: TailnetDnsOptions) {
    this.#options = options;
    for (const record of options.stored) this.#stored.set(record.id, record);
    const { nameservers, splitNameservers } = options.settings;
    const addresses = [nameservers, ...Object.values(splitNameservers)].flat();
    this.#nextDns = addresses.filter(isNextDns);
    this.isShared = this.#nextDns.length === 0;
    this.#records = this.#collect();
    this.#shared = this.#encode();
  }

  get baseDomain(): string {
    return this.#options.settings.baseDomain;
  }

  /** The JSON of the DNSConfig that nodes share. */
  sharedDnsConfig(): string {
    return this.#shared;
  }

  /** That of a node with these capabilities, where it has one of its own. */
  dnsConfigOf(node: Node, capabilities: CapMap): string | undefined {
    if (this.isShared) return undefined;
    const choice = nextDnsChoice(capabilities, deviceOf(node));
    if (choice.profile === undefined && choice.device === undefined) return undefined;
    this.#pieces ??= this.#shared.split(NEXTDNS_ADDRESS);
    const own = new Map(this.#nextDns.map((address) => [address, nextDnsAddress(address, choice)]));
    return this.#pieces
      .map((piece, i) => (i % 2 === 0 ? piece : (own.get(piece) ?? piece)))
      .join('');
  }

  /** Whether a changed node may have another config of its own, with the same capabilities. */
  concerns(before: Node, after: Node): boolean {
    const differs = differenceOf(before, after);
    if (this.isShared || (differs & DEVICE) === 0) return false;
    const [old, now] = [deviceOf(before), deviceOf(after)];
    return old.name !== now.name || old.model !== now.model || old.address !== now.address;
  }

  /** Capabilities that every node has for the sake of its names. */
  get capabilities(): CapMap {
    return this.#options.wildcard ? WILDCARD : NONE;
  }

  /** Of a node with capabilities of its own, those that its peers must know of to resolve its names. */
  peerCapabilities(own: CapMap): CapMap {
    return SUBDOMAINS in own ? WILDCARD : this.capabilities;
  }

  /** Whether a node of this name would have that of a record. */
  readonly isRecord = (label: string): boolean => {
    this.#labels ??= new Set(
      this.#records.flatMap(({ name }) => labelIn(name, this.baseDomain) ?? []),
    );
    return this.#labels.has(label);
  };

  /** Every record, those of the configuration first; one that is there twice is served once. */
  list(): readonly ListedRecord[] {
    const { fixed } = this.#options;
    return [
      ...fixed.map((record) => ({ ...record, ...UNSTORED, source: 'config' as const })),
      ...this.#ofFile.map((record) => ({ ...record, ...UNSTORED, source: 'file' as const })),
      ...this.#inOrder().map((record) => ({ ...record, source: 'database' as const })),
    ];
  }

  /** Takes other records of the file. Whether the config differs now. */
  setFileRecords(records: readonly DnsRecord[]): boolean {
    this.#ofFile = records;
    return this.#recordsChanged();
  }

  /** Rows have changed. Whether the config differs now. */
  apply(changes: readonly Change[]): boolean {
    let touched = false;
    for (const change of changes) {
      if (change.table !== 'dnsRecord') continue;
      touched = true;
      if (change.after === undefined) this.#stored.delete(change.id);
      else this.#stored.set(change.id, change.after);
    }
    return touched && this.#recordsChanged();
  }

  #recordsChanged(): boolean {
    const before = this.#shared;
    this.#records = this.#collect();
    this.#shared = this.#encode();
    this.#pieces = undefined;
    this.#labels = undefined;
    return this.#shared !== before;
  }

  #collect(): readonly DnsRecord[] {
    return withoutRepeats([...this.#options.fixed, ...this.#ofFile, ...this.#inOrder()]);
  }

  #encode(): string {
    const { settings, prefixes } = this.#options;
    return encodeDnsConfig(settings, prefixes, this.#records);
  }

  #inOrder(): readonly StoredDnsRecord[] {
    return [...this.#stored.values()].toSorted((a, b) => a.id - b.id);
  }
}

function deviceOf(node: Node): DnsDevice {
  return {
    name: node.hostname,
    model: node.hostinfo.OS ?? '',
    address: node.ipv4 ?? node.ipv6,
  };
}
