/** Keys for who may do what, and for how long: nodes, keys, policy, logins, client features. */
import * as kind from '../kind.ts';
import { optional, setting } from './key.ts';

const OIDC = { only: 'oidc.issuer' } as const;
/** A list of whom to let in that becomes empty lets in everybody. */
const WHO = { blanks: 'read' } as const;

export const ACCESS_KEYS = {
  'node.expiry': setting(
    kind.duration('a duration such as 180d, or 0 for never'),
    '0',
    "How long a user's new node stays logged in, unless its client asks for another time. 0 is for ever. Tagged nodes never expire.",
  ),
  'node.max_per_user': setting(
    kind.count(0, 1_000_000),
    '5000',
    "How many nodes one user may have; tagged ones are nobody's. More are refused, and those there are stay. 0 is no limit.",
    { own: true },
  ),
  'node.ephemeral.inactivity_timeout': setting(
    kind.duration(),
    '120s',
    'How long after it disconnects an ephemeral node is deleted; more than 65s.',
    { example: '30m' },
  ),
  'node.routes.ha.probe_interval': setting(
    kind.duration(),
    '2s',
    'How often subnet routers that share a route are probed; at least 2s and the timeout, 0 for never.',
  ),
  'node.routes.ha.probe_timeout': setting(
    kind.duration(),
    '2s',
    'How long a probe may go unanswered before another router takes over; at least 1s. One that falls silent is replaced within the sum of both.',
  ),
  'preauth_keys.revoked_retention': setting(
    kind.duration(),
    '168h',
    'How long a revoked pre-auth key stays listed.',
  ),
  'tuning.http2': setting(
    kind.oneOf('own', 'node'),
    'own',
    "What carries HTTP/2 inside the machine protocol. own: malla's, which takes a quarter of the memory. node: Node's, to compare with.",
    { own: true },
  ),
  'policy.default': setting(
    kind.oneOf('same-user', 'allow-all'),
    'same-user',
    "Who sees whom while no policy is set. same-user: the devices of one user see each other and nobody else's. allow-all: everybody sees everybody, as in headscale.",
    { own: true, example: 'same-user' },
  ),
  'policy.mode': optional(
    kind.oneOf('file', 'database'),
    'file where policy.path is set, else database',
    'Where the policy is kept. file: in the file at policy.path, read at the start, when it changes and on SIGHUP. database: in the database, set with `malla policy set`.',
  ),
  'policy.path': optional(
    kind.path,
    'no policy',
    'HuJSON file with the policy, with policy.mode file.',
  ),
  'oidc.issuer': optional(kind.text, 'no OpenID Connect', 'URL of the OpenID Connect provider.', {
    refused:
      'OIDC arrives in a later version: refusing to start rather than leaving logins without it. Take the section oidc out; devices then join with keys or by hand',
  }),
  'oidc.client_id': setting(kind.text, '', 'Our name at the provider.', OIDC),
  'oidc.client_secret': setting(kind.secret, '', 'Our secret at the provider.', OIDC),
  'oidc.client_secret_path': setting(kind.path, '', 'File that holds the secret.', OIDC),
  'oidc.only_start_if_oidc_is_available': setting(
    kind.bool,
    'true',
    'Whether to wait for the provider at start.',
    OIDC,
  ),
  'oidc.scope': setting(
    kind.list(kind.text, 'a list of scopes'),
    'openid profile email',
    'Scopes to ask for.',
    OIDC,
  ),
  'oidc.extra_params': setting(kind.textMap, '{}', 'Parameters to add to the login URL.', OIDC),
  'oidc.allowed_domains': setting(
    kind.list(kind.text, 'a list of domains', WHO),
    '[]',
    'Mail domains whose users may log in.',
    OIDC,
  ),
  'oidc.allowed_users': setting(
    kind.list(kind.text, 'a list of mail addresses', WHO),
    '[]',
    'Users who may log in.',
    OIDC,
  ),
  'oidc.allowed_groups': setting(
    kind.list(kind.text, 'a list of groups', WHO),
    '[]',
    'Groups whose members may log in.',
    OIDC,
  ),
  'oidc.email_verified_required': setting(
    kind.bool,
    'true',
    'Believe only verified mail addresses.',
    OIDC,
  ),
  'oidc.use_expiry_from_token': setting(
    kind.bool,
    'false',
    "Let a node expire with its user's token.",
    OIDC,
  ),
  'oidc.pkce.enabled': setting(kind.bool, 'false', 'Use PKCE.', OIDC),
  'oidc.pkce.method': setting(kind.oneOf('S256', 'plain'), 'S256', 'How.', OIDC),
  randomize_client_port: setting(
    kind.bool,
    'false',
    'Whether every client uses another UDP port at each start, for networks whose firewall gives each port to one device only.',
    {
      deprecated:
        'it is a setting of the policy now, randomizeClientPort, or an attribute of single nodes there',
    },
  ),
  'logtail.enabled': setting(
    kind.bool,
    'false',
    "Whether clients may upload their logs to Tailscale's servers. If false they are told not to.",
  ),
  'taildrop.enabled': setting(
    kind.bool,
    'true',
    'Whether nodes of a user may send each other files.',
  ),
  'auto_update.enabled': setting(
    kind.bool,
    'false',
    'Whether new clients update themselves by default.',
  ),
};
