/**
 * What the entries of a node's capability map mean that a control server gives or reads: the one list of
 * them. Whoever acts on one names it from here; what `nodeAttrs` of a policy give beyond these is passed on to
 * the client as it stands.
 *
 * Source: docs/protocol/control.md §Capabilities; tailcfg NodeCapability.
 */

/** What every node of a tailnet is told that it may do. */
export const EveryNode = {
  admin: 'https://tailscale.com/cap/is-admin',
  /** Run an SSH server under the policy. */
  ssh: 'https://tailscale.com/cap/ssh',
  /** Taildrop. */
  fileSharing: 'https://tailscale.com/cap/file-sharing',
  /** Whether a client that nobody told updates itself; its value is a boolean. */
  defaultAutoUpdate: 'default-auto-update',
  /** Come up with the last map while the server is away. */
  cacheNetworkMaps: 'cache-network-maps',
} as const;

/** Listen on another UDP port at each start. Also given to every node by `randomizeClientPort` of a policy. */
export const RANDOMIZE_CLIENT_PORT = 'randomize-client-port';

/** A node that is told neither its own IPv4 address nor those of others. Observed: the hosted service, April 2026. */
export const DISABLE_IPV4 = 'disable-ipv4';

/**
 * With it `anything.<node>.<base domain>` is the node. A client asks the named node's entry for it: its own
 * if the name is its own, else the peer's; so viewers must be sent it with the peer.
 *
 * Observed: clients from 1.96 on.
 */
export const SUBDOMAINS = 'dns-subdomain-resolve';

/** Before the profile that a node's NextDNS resolver is to use. */
export const NEXTDNS_PROFILE = 'nextdns:';
/** NextDNS is told nothing of the device. */
export const NEXTDNS_NO_DEVICE_INFO = 'nextdns:no-device-info';

/** Of an exit node: may be suggested. Its peers are told too. */
export const SUGGEST_EXIT_NODE = 'suggest-exit-node';

/** The capability that a capability of a grant gives in the other direction. Observed: the hosted service, April 2026. */
export const COMPANIONS: ReadonlyMap<string, string> = new Map([
  ['tailscale.com/cap/drive', 'tailscale.com/cap/drive-sharer'],
  ['tailscale.com/cap/relay', 'tailscale.com/cap/relay-target'],
]);
