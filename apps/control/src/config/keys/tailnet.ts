/** Keys for what the tailnet is: addresses, relays, names. */
import * as kind from '../kind.ts';
import { optional, setting } from './key.ts';

const MAX_BYTES_PER_SECOND = 100_000_000_000;

export const TAILNET_KEYS = {
  'noise.private_key_path': optional(
    kind.path,
    'noise_private.key in data_dir',
    "The server's own private key, made at the first start. Keep it: with another one every client must log in again.",
    { example: '/var/lib/malla/noise_private.key' },
  ),
  'prefixes.v4': optional(
    kind.prefix,
    '100.64.0.0/10, unless only v6 is given',
    'Where nodes get their IPv4 addresses. Clients expect it inside 100.64.0.0/10.',
    { example: '100.64.0.0/10' },
  ),
  'prefixes.v6': optional(
    kind.prefix,
    'fd7a:115c:a1e0::/48, unless only v4 is given',
    'Where nodes get their IPv6 addresses. Clients expect it inside fd7a:115c:a1e0::/48.',
    { example: 'fd7a:115c:a1e0::/48' },
  ),
  'prefixes.allocation': setting(
    kind.oneOf('sequential', 'random'),
    'sequential',
    'sequential gives the next free address, random any free one.',
  ),
  'derp.server.enabled': optional(
    kind.bool,
    'true if neither derp.urls nor derp.paths name another relay',
    'Whether this server is also a relay, for nodes that find no direct path to each other.',
    { example: 'true' },
  ),
  'derp.server.region_id': setting(
    kind.count(1, 65_535),
    '999',
    'Its region number, unique in the DERP map. 900 to 999 are free for private use.',
  ),
  'derp.server.region_code': setting(kind.text, 'malla', 'Short name of the region.'),
  'derp.server.region_name': setting(kind.text, 'malla relay', 'Long name of the region.'),
  'derp.server.verify_clients': setting(
    kind.bool,
    'true',
    'Admit only nodes of this tailnet. Otherwise anybody may relay through this server.',
  ),
  'derp.server.hostname': optional(
    kind.hostname,
    'the host of server_url',
    'Host name or IP address at which clients reach the relay.',
    { own: true },
  ),
  'derp.server.listen_addr': optional(
    kind.optionalListenAddress,
    'none if server_url is https: the relay shares its listener; else port 8443, on loopback only if server_url is',
    "The relay's own TLS listener. Clients speak to relays only over TLS, so it has one of its own when server_url is http.",
    { own: true },
  ),
  'derp.server.cert_path': optional(
    kind.path,
    'a self-made certificate in data_dir, which clients are told to expect',
    'PEM file with the certificate of that listener. Needs derp.server.key_path.',
    { own: true },
  ),
  'derp.server.key_path': optional(kind.path, 'as above', 'PEM file with its private key.', {
    own: true,
  }),
  'derp.server.stun_listen_addr': optional(
    kind.listenAddress,
    'port 3478, on loopback only if server_url is',
    'UDP address of the STUN server, which tells clients how they look from outside.',
    { example: '0.0.0.0:3478' },
  ),
  'derp.server.stun.enabled': setting(
    kind.bool,
    'true',
    'Whether to serve STUN. (headscale reads this key and serves it regardless.)',
  ),
  'derp.server.private_key_path': optional(
    kind.path,
    'derp_private.key in data_dir',
    "The relay's private key, made at the first start.",
    { example: '/var/lib/malla/derp_private.key' },
  ),
  'derp.server.automatically_add_embedded_derp_region': setting(
    kind.bool,
    'true',
    'Put the region into the DERP map. If false, derp.urls or derp.paths must name it.',
  ),
  'derp.server.ipv4': optional(
    kind.ipv4,
    'clients look up the host name',
    'Public IPv4 address of the relay, so that clients need no DNS to find it.',
  ),
  'derp.server.ipv6': optional(
    kind.ipv6,
    'clients look up the host name',
    'Public IPv6 address of the relay.',
  ),
  'derp.server.max_clients': setting(
    kind.count(1, 1_000_000),
    '10000',
    'Connections the relay takes at once.',
    { own: true },
  ),
  'derp.server.client_rate_limit_bytes_per_second': setting(
    kind.count(0, MAX_BYTES_PER_SECOND),
    '0',
    'What one client may send through the relay, bytes a second. 0 is no limit.',
    { own: true },
  ),
  'derp.server.client_rate_limit_burst_bytes': setting(
    kind.count(65_536, MAX_BYTES_PER_SECOND),
    '1048576',
    'What it may send at once before that limit holds, bytes.',
    { own: true },
  ),
  'derp.urls': setting(
    kind.urls,
    '[]',
    'DERP maps to fetch, JSON, merged in order. https://controlplane.tailscale.com/derpmap/default has the public relays of Tailscale.',
  ),
  'derp.paths': setting(
    kind.paths,
    '[]',
    'DERP map files, YAML, merged in order after derp.urls; a region set to null is taken out.',
  ),
  'derp.auto_update_enabled': setting(
    kind.bool,
    'false',
    'Read derp.urls and derp.paths again from time to time.',
  ),
  'derp.update_frequency': setting(kind.duration(), '3h', 'How often; at least 1m.'),
  'dns.magic_dns': setting(kind.bool, 'true', 'Whether nodes find each other by name.'),
  'dns.magic_dns_wildcard': setting(
    kind.bool,
    'false',
    'Whether every name below the name of a node is that node too, such as blog.web1.tailnet.example.org. Clients from 1.96 on resolve these. The policy gives single nodes the same with the attribute dns-subdomain-resolve.',
    { own: true },
  ),
  'dns.base_domain': setting(
    kind.optionalDnsName,
    'malla.internal',
    'Domain of the names of nodes: node.base_domain, as in tailnet.example.org. Neither the host of server_url nor a parent of it.',
    { example: 'malla.internal' },
  ),
  'dns.override_local_dns': optional(
    kind.bool,
    'true if there are dns.nameservers.global',
    'Whether clients use dns.nameservers.global for everything, instead of what their network tells them.',
  ),
  'dns.nameservers.global': setting(
    kind.nameservers,
    '[]',
    'Name servers for all names, on every device, instead of those of its network: IP addresses, IP:port, or https:// URLs (DNS over HTTPS of providers that clients know, NextDNS among them), as in [1.1.1.1, 2606:4700:4700::1111].',
  ),
  'dns.nameservers.split': setting(
    kind.splitNameservers,
    '{}',
    'Name servers for some domains: a map from domain to a list of them. With an empty list clients answer the domain from extra records alone.',
  ),
  'dns.search_domains': setting(
    kind.dnsNames,
    '[]',
    'Domains that clients try on short names, after dns.base_domain.',
  ),
  'dns.extra_records': setting(
    kind.extraRecords,
    '[]',
    'Names that are not nodes: a list of records {name, type, value}; type is A or AAAA.',
  ),
  'dns.extra_records_path': optional(
    kind.path,
    'none',
    'JSON file with such records instead, followed while the server runs. malla dns records adds others.',
  ),
};
