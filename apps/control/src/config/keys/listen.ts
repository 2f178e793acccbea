/** Keys for how the server is reached: its URL, listeners, TLS, proxies, the socket, logs. */
import * as kind from '../kind.ts';
import { optional, setting } from './key.ts';

const ACME = 'malla does not fetch certificates by itself yet';

export const LISTEN_KEYS = {
  server_url: optional(
    kind.serverUrl,
    'none, a file must set it; without a file, listen_addr over http',
    'The URL at which clients reach this server: scheme, host and perhaps a port, no path. Clients remember it: choose one that will last. Use https, or a private IP address in a lab: clients cannot be trusted to come back to http:// and a DNS name.',
    { example: 'https://vpn.example.org' },
  ),
  data_dir: optional(
    kind.path,
    'the folder of database.sqlite.path, else of noise.private_key_path, else /var/lib/malla; without a file ./data',
    'The folder for everything that is given no path of its own: database, keys, self-made certificates.',
    { own: true, example: '/var/lib/malla' },
  ),
  listen_addr: setting(
    kind.listenAddress,
    '127.0.0.1:8080',
    'Where to listen for clients. 0.0.0.0:8080 is all IPv4 addresses, :8080 all of both families.',
    { example: '127.0.0.1:8080' },
  ),
  metrics_listen_addr: optional(
    kind.optionalListenAddress,
    'none; without a file 127.0.0.1:9090',
    'Where to serve metrics and debug pages, which need no login: keep it private. Empty switches them off.',
    { example: '127.0.0.1:9090' },
  ),
  trusted_proxies: setting(
    kind.prefixes,
    '[]',
    'Reverse proxies whose headers about the client address (X-Forwarded-For, X-Real-IP) are believed, as a list of prefixes; never /0.',
  ),
  tls_cert_path: optional(
    kind.path,
    'plain HTTP',
    'PEM file with the certificate and its chain, to serve TLS on listen_addr. Needs tls_key_path.',
  ),
  tls_key_path: optional(kind.path, 'plain HTTP', 'PEM file with its private key.'),
  tls_extra_listen_addr: optional(
    kind.optionalListenAddress,
    'none',
    'One more listener for clients, with TLS from a self-made certificate under data_dir. Needed on port 443 when server_url is http:// with a DNS name or a public address: after an outage clients try only https on port 443, and there they accept any certificate.',
    { own: true },
  ),
  http_redirect_listen_addr: optional(
    kind.optionalListenAddress,
    'none',
    'Where plain HTTP is sent on to server_url. Set it to 0.0.0.0:80 where this server has its own TLS and no proxy in front: official clients knock at port 80 first, and where nothing answers there they ask relays of Tailscale where server_url is.',
    { own: true },
  ),
  acme_url: setting(
    kind.text,
    'https://acme-v02.api.letsencrypt.org/directory',
    'ACME directory to get certificates from.',
    { only: 'tls_letsencrypt_hostname' },
  ),
  acme_email: setting(kind.text, '', 'Contact for the ACME account.', {
    only: 'tls_letsencrypt_hostname',
  }),
  tls_letsencrypt_hostname: setting(
    kind.optionalDnsName,
    '',
    'Host name to get a certificate for.',
    {
      refused: `${ACME}: put a reverse proxy that does in front, or name certificate files in tls_cert_path and tls_key_path`,
    },
  ),
  tls_letsencrypt_cache_dir: setting(kind.path, '/var/www/.cache', 'Where certificates are kept.', {
    only: 'tls_letsencrypt_hostname',
  }),
  tls_letsencrypt_challenge_type: setting(
    kind.oneOf('HTTP-01', 'TLS-ALPN-01'),
    'HTTP-01',
    'How to prove that the host name is ours.',
    { only: 'tls_letsencrypt_hostname' },
  ),
  tls_letsencrypt_listen: optional(
    kind.optionalListenAddress,
    'none',
    'Where to answer HTTP-01 challenges.',
    { only: 'tls_letsencrypt_hostname' },
  ),
  unix_socket: optional(
    kind.path,
    '/var/run/malla/malla.sock (headscale.sock beside a headscale file); without a file malla.sock in data_dir',
    'Socket for the command line on this machine. Who may open it administers the server.',
    { example: '/var/run/malla/malla.sock' },
  ),
  unix_socket_permission: setting(
    kind.fileMode,
    '0770',
    'File mode of the socket, octal: 0770 lets owner and group administer.',
  ),
  'log.level': setting(
    kind.logLevel,
    'info',
    'What to log: trace, debug, info, warn, error, fatal or disabled.',
    { example: 'info' },
  ),
  'log.format': setting(kind.oneOf('text', 'json'), 'text', 'text for people, json for programs.'),
  disable_check_updates: setting(kind.bool, 'true', 'Whether to look for new versions.', {
    unused: 'malla never calls anywhere to look for updates',
  }),
};
