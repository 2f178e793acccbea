/**
 * What user interfaces for headscale ask of its REST API, and which fields of the answers they read. Facts
 * taken from the public sources of each, at the commit that is named; no code of theirs is here.
 *
 * `{user}`, `{node}` and the like stand for what {@link Known} says.
 */

/** What a request can name: a user with a node, a device that waits, and keys, all made for it alone. */
export interface Known {
  /** Ids. */
  readonly user: string;
  readonly node: string;
  readonly preAuthKeyId: string;
  readonly apiKeyId: string;
  readonly userName: string;
  /** A name that nobody has. */
  readonly newName: string;
  /** The name of a user and of a node that others have. */
  readonly takenName: string;
  /** Of the device that waits. */
  readonly authId: string;
  /** As lists show it. */
  readonly preAuthKey: string;
  readonly apiKeyPrefix: string;
  /** Whole. */
  readonly apiKey: string;
  readonly later: string;
  readonly policy: string;
}

type Name = `{${keyof Known}}`;

export interface UiRequest {
  readonly does: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** Default 200. */
  readonly status?: number;
  /** The fields that it reads, `[]` for each of a list. */
  readonly reads?: readonly string[];
  /** What the text of a refusal must have in it for the tool to know what it is. */
  readonly looksFor?: string;
}

export interface UserInterface {
  readonly name: string;
  /** Commit and date of the source that was read. */
  readonly source: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly requests: readonly UiRequest[];
}

const JSON_HEADERS = { Accept: 'application/json', 'Content-Type': 'application/json' };
/** What `fetch` says of a body of text. */
const TEXT_HEADERS = { Accept: 'application/json', 'Content-Type': 'text/plain;charset=UTF-8' };

const NODE = [
  'id',
  'name',
  'givenName',
  'machineKey',
  'nodeKey',
  'ipAddresses',
  'user.id',
  'user.name',
  'lastSeen',
  'expiry',
  'createdAt',
  'registerMethod',
  'online',
  'approvedRoutes',
  'availableRoutes',
  'subnetRoutes',
  'tags',
];
const USER = ['id', 'name', 'createdAt', 'displayName', 'email', 'provider', 'profilePicUrl'];
const KEY = ['id', 'key', 'user.id', 'reusable', 'ephemeral', 'used', 'expiration', 'createdAt'];
const API_KEY = ['id', 'prefix', 'expiration', 'createdAt', 'lastSeen'];

const userId: Name = '{user}';

const headplane: UserInterface = {
  name: 'headplane',
  source: 'tale/headplane 990e1e9, 2026-07-01',
  headers: JSON_HEADERS,
  requests: [
    { does: 'asks what it may use', method: 'GET', path: '/version', reads: ['version'] },
    { does: 'asks whether the server is well', method: 'GET', path: '/health', reads: ['status'] },
    { does: 'logs in', method: 'GET', path: '/api/v1/apikey', reads: of('apiKeys[]', API_KEY) },
    { does: 'lists nodes', method: 'GET', path: '/api/v1/node', reads: of('nodes[]', NODE) },
    { does: 'shows a node', method: 'GET', path: '/api/v1/node/{node}', reads: of('node', NODE) },
    {
      does: 'registers a device, with everything said twice',
      method: 'POST',
      path: '/api/v1/node/register?user={userName}&key={authId}',
      body: { user: '{userName}', key: '{authId}' },
      reads: of('node', NODE),
    },
    {
      does: 'approves routes',
      method: 'POST',
      path: '/api/v1/node/{node}/approve_routes',
      body: { routes: ['10.0.0.0/24', '0.0.0.0/0'] },
    },
    { does: 'expires a node', method: 'POST', path: '/api/v1/node/{node}/expire' },
    { does: 'renames a node', method: 'POST', path: '/api/v1/node/{node}/rename/{newName}' },
    {
      does: 'tags a node',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:web'] },
    },
    {
      does: 'shows why a tag is refused',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:nosuch'] },
      status: 400,
      reads: ['message'],
    },
    { does: 'deletes a node', method: 'DELETE', path: '/api/v1/node/{node}' },
    { does: 'lists users', method: 'GET', path: '/api/v1/user', reads: of('users[]', USER) },
    {
      does: 'finds a user',
      method: 'GET',
      path: '/api/v1/user?name={userName}',
      reads: of('users[]', USER),
    },
    {
      does: 'creates a user',
      method: 'POST',
      path: '/api/v1/user',
      body: { name: '{newName}', email: 'e@example.org', displayName: 'E', pictureUrl: '' },
      reads: of('user', USER),
    },
    { does: 'renames a user', method: 'POST', path: '/api/v1/user/{user}/rename/{newName}' },
    { does: 'deletes a user', method: 'DELETE', path: '/api/v1/user/{user}' },
    {
      does: 'lists all pre-auth keys',
      method: 'GET',
      path: '/api/v1/preauthkey',
      reads: of('preAuthKeys[]', ['id', 'key', 'aclTags']),
    },
    {
      does: 'lists the pre-auth keys of a user',
      method: 'GET',
      path: '/api/v1/preauthkey?user={user}',
      reads: of('preAuthKeys[]', KEY),
    },
    {
      does: 'creates a pre-auth key',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: { ephemeral: false, reusable: true, expiration: '{later}', user: userId },
      reads: of('preAuthKey', KEY),
    },
    {
      does: 'creates a pre-auth key of nobody that never expires',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: { ephemeral: false, reusable: true, expiration: null, aclTags: ['tag:web'] },
      reads: of('preAuthKey', ['id', 'key', 'aclTags']),
    },
    {
      does: 'expires a pre-auth key',
      method: 'POST',
      path: '/api/v1/preauthkey/expire',
      body: { id: '{preAuthKeyId}' },
    },
    {
      does: 'shows the policy',
      method: 'GET',
      path: '/api/v1/policy',
      reads: ['policy', 'updatedAt'],
    },
    {
      does: 'saves the policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{policy}' },
      reads: ['policy', 'updatedAt'],
    },
    {
      does: 'tells a mistake in the syntax of a policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{"acls": [' },
      status: 400,
      reads: ['message'],
      looksFor: 'parsing HuJSON:',
    },
    {
      does: 'tells a mistake in what a policy says',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{"acls": [{"action": "accept", "src": [7], "dst": ["*:*"]}]}' },
      status: 400,
      reads: ['message'],
      looksFor: 'parsing policy from bytes:',
    },
  ],
};

const headscaleAdmin: UserInterface = {
  name: 'headscale-admin',
  source: 'GoodiesHQ/headscale-admin c8db9b9, 2025-03-31',
  headers: TEXT_HEADERS,
  requests: [
    { does: 'lists users', method: 'GET', path: '/api/v1/user', reads: of('users[]', USER) },
    {
      does: 'finds a user',
      method: 'GET',
      path: '/api/v1/user?id={user}',
      reads: of('users[]', USER),
    },
    { does: 'lists nodes', method: 'GET', path: '/api/v1/node', reads: of('nodes[]', NODE) },
    {
      does: 'lists the pre-auth keys of a user by name',
      method: 'GET',
      path: '/api/v1/preauthkey?user={userName}',
      reads: of('preAuthKeys[]', KEY),
    },
    { does: 'shows the policy', method: 'GET', path: '/api/v1/policy', reads: ['policy'] },
    {
      does: 'saves the policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{policy}' },
      reads: ['policy'],
    },
    {
      does: 'creates an API key',
      method: 'POST',
      path: '/api/v1/apikey',
      body: { expiration: '{later}' },
      reads: ['apiKey'],
    },
    {
      does: 'expires the API key that it had, which it has whole',
      method: 'POST',
      path: '/api/v1/apikey/expire',
      body: { prefix: '{apiKey}' },
    },
    {
      does: 'creates a user',
      method: 'POST',
      path: '/api/v1/user',
      body: { name: '{newName}' },
      reads: of('user', USER),
    },
    {
      does: 'shows why a user is not created',
      method: 'POST',
      path: '/api/v1/user',
      body: { name: '{takenName}' },
      status: 409,
      reads: ['code', 'message', 'details'],
    },
    {
      does: 'registers a device',
      method: 'POST',
      path: '/api/v1/node/register?user={userName}&key={authId}',
      body: {},
      reads: ['node.givenName'],
    },
    {
      does: 'creates a pre-auth key by the name of a user',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: { user: '{userName}', reusable: true, ephemeral: false, expiration: '{later}' },
      reads: of('preAuthKey', KEY),
    },
    {
      does: 'expires a pre-auth key by what it shows of it',
      method: 'POST',
      path: '/api/v1/preauthkey/expire',
      body: { user: { id: userId, name: '{userName}' }, key: '{preAuthKey}' },
    },
    {
      does: 'renames a user',
      method: 'POST',
      path: '/api/v1/user/{user}/rename/{newName}',
      body: {},
      reads: of('user', USER),
    },
    {
      does: 'renames a node',
      method: 'POST',
      path: '/api/v1/node/{node}/rename/{newName}',
      body: {},
      reads: ['node.givenName'],
    },
    {
      does: 'expires a node',
      method: 'POST',
      path: '/api/v1/node/{node}/expire',
      body: {},
      reads: ['node.givenName', 'node.expiry'],
    },
    {
      does: 'tags a node',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:web', 'tag:db'] },
      reads: ['node.tags'],
    },
    { does: 'deletes a node', method: 'DELETE', path: '/api/v1/node/{node}' },
    { does: 'deletes a user', method: 'DELETE', path: '/api/v1/user/{user}' },
    {
      does: 'is told that a node has no other owner now',
      method: 'POST',
      path: '/api/v1/node/{node}/user',
      body: { user: userId },
      status: 404,
      reads: ['code', 'message'],
    },
  ],
};

const headscaleUi: UserInterface = {
  name: 'headscale-ui',
  source: 'gurucomputing/headscale-ui ce7569c, 2026-03-16',
  headers: TEXT_HEADERS,
  requests: [
    {
      does: 'lists users',
      method: 'GET',
      path: '/api/v1/user',
      reads: of('users[]', ['id', 'name', 'email', 'createdAt']),
    },
    {
      does: 'lists devices',
      method: 'GET',
      path: '/api/v1/node',
      reads: of('nodes[]', NODE),
    },
    { does: 'renames a user', method: 'POST', path: '/api/v1/user/{user}/rename/{newName}' },
    {
      does: 'shows why a user is not renamed',
      method: 'POST',
      path: '/api/v1/user/{user}/rename/{takenName}',
      status: 409,
      reads: ['message'],
    },
    {
      does: 'creates an API key',
      method: 'POST',
      path: '/api/v1/apikey',
      body: { expiration: '{later}' },
      reads: ['apiKey'],
    },
    {
      does: 'lists API keys',
      method: 'GET',
      path: '/api/v1/apikey',
      reads: of('apiKeys[]', API_KEY),
    },
    {
      does: 'expires an API key by what lists show',
      method: 'POST',
      path: '/api/v1/apikey/expire',
      body: { prefix: '{apiKeyPrefix}' },
    },
    {
      does: 'tags a device',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:web'] },
    },
    { does: 'creates a user', method: 'POST', path: '/api/v1/user', body: { name: '{newName}' } },
    { does: 'removes a user', method: 'DELETE', path: '/api/v1/user/{user}' },
    {
      does: 'lists the pre-auth keys of a user',
      method: 'GET',
      path: '/api/v1/preauthkey?user={user}',
      reads: of('preAuthKeys[]', KEY),
    },
    {
      does: 'creates a pre-auth key',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: { user: userId, expiration: '{later}', reusable: false, ephemeral: true },
    },
    {
      does: 'expires a pre-auth key by what lists show',
      method: 'POST',
      path: '/api/v1/preauthkey/expire',
      body: { user: userId, key: '{preAuthKey}' },
    },
    {
      does: 'registers a device',
      method: 'POST',
      path: '/api/v1/node/register?user={userName}&key={authId}',
    },
    {
      does: 'approves routes',
      method: 'POST',
      path: '/api/v1/node/{node}/approve_routes',
      body: { routes: ['10.0.0.0/24'] },
    },
    { does: 'renames a device', method: 'POST', path: '/api/v1/node/{node}/rename/{newName}' },
    {
      does: 'shows why a device is not renamed',
      method: 'POST',
      path: '/api/v1/node/{node}/rename/{takenName}',
      status: 409,
      reads: ['message'],
    },
    { does: 'removes a device', method: 'DELETE', path: '/api/v1/node/{node}' },
    {
      does: 'is told that a device has no other owner now',
      method: 'POST',
      path: '/api/v1/node/{node}/user',
      body: { user: 1 },
      status: 404,
      reads: ['message'],
    },
  ],
};

const headscaleManager: UserInterface = {
  name: 'headscalemanager, on phones',
  source: 'hkdone/headscalemanager 6cb657b, 2026-07-13',
  headers: { ...JSON_HEADERS, 'Content-Type': 'application/json; charset=UTF-8' },
  requests: [
    {
      does: 'asks what it may use',
      method: 'GET',
      path: '/version',
      reads: ['version', 'commit', 'buildTime', 'dirty', 'go.version', 'go.os', 'go.arch'],
    },
    { does: 'lists nodes', method: 'GET', path: '/api/v1/node', reads: of('nodes[]', NODE) },
    { does: 'shows a node', method: 'GET', path: '/api/v1/node/{node}', reads: of('node', NODE) },
    {
      does: 'registers a device',
      method: 'POST',
      path: '/api/v1/node/register?user={userName}&key={authId}',
      reads: of('node', NODE),
    },
    { does: 'lists users', method: 'GET', path: '/api/v1/user', reads: of('users[]', USER) },
    { does: 'creates a user', method: 'POST', path: '/api/v1/user', body: { name: '{newName}' } },
    {
      does: 'creates a pre-auth key',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: {
        user: userId,
        reusable: true,
        ephemeral: false,
        expiration: '{later}',
        aclTags: ['tag:web'],
      },
      reads: of('preAuthKey', [...KEY, 'aclTags']),
    },
    { does: 'shows the policy', method: 'GET', path: '/api/v1/policy', reads: ['policy'] },
    {
      does: 'saves the policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{policy}' },
    },
    {
      does: 'clears the policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '' },
      reads: ['policy', 'updatedAt'],
    },
    {
      does: 'approves routes',
      method: 'POST',
      path: '/api/v1/node/{node}/approve_routes',
      body: { routes: [] },
    },
    { does: 'renames a node', method: 'POST', path: '/api/v1/node/{node}/rename/{newName}' },
    { does: 'renames a user', method: 'POST', path: '/api/v1/user/{user}/rename/{newName}' },
    {
      does: 'lists all pre-auth keys',
      method: 'GET',
      path: '/api/v1/preauthkey',
      reads: of('preAuthKeys[]', ['id', 'key', 'reusable', 'used', 'aclTags']),
    },
    {
      does: 'expires a pre-auth key',
      method: 'POST',
      path: '/api/v1/preauthkey/expire',
      body: { id: '{preAuthKeyId}' },
    },
    {
      does: 'lists API keys',
      method: 'GET',
      path: '/api/v1/apikey',
      reads: of('apiKeys[]', API_KEY),
    },
    {
      does: 'creates an API key for ever',
      method: 'POST',
      path: '/api/v1/apikey',
      body: {},
      reads: ['apiKey'],
    },
    {
      does: 'expires an API key',
      method: 'POST',
      path: '/api/v1/apikey/expire',
      body: { prefix: '{apiKeyPrefix}' },
    },
    { does: 'deletes an API key', method: 'DELETE', path: '/api/v1/apikey/{apiKeyPrefix}' },
    {
      does: 'tags a node',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:web'] },
      reads: ['node.tags', 'node.id'],
    },
    { does: 'deletes a node', method: 'DELETE', path: '/api/v1/node/{node}' },
    { does: 'deletes a user', method: 'DELETE', path: '/api/v1/user/{user}' },
  ],
};

const scaleManager: UserInterface = {
  name: 'ScaleManager, on phones',
  source: 'loqtek/ScaleManager ff8f345, 2026-01-16',
  headers: JSON_HEADERS,
  requests: [
    {
      does: 'tries its key',
      method: 'GET',
      path: '/api/v1/apikey',
      reads: of('apiKeys[]', API_KEY),
    },
    { does: 'lists devices', method: 'GET', path: '/api/v1/node', reads: of('nodes[]', NODE) },
    {
      does: 'registers a device to a user by id',
      method: 'POST',
      path: '/api/v1/node/register?user={user}&key={authId}',
      reads: ['node.id'],
    },
    { does: 'renames a device', method: 'POST', path: '/api/v1/node/{node}/rename/{newName}' },
    {
      does: 'tags a device',
      method: 'POST',
      path: '/api/v1/node/{node}/tags',
      body: { tags: ['tag:web'] },
    },
    {
      does: 'lists the pre-auth keys of a user',
      method: 'GET',
      path: '/api/v1/preauthkey?user={user}',
      reads: of('preAuthKeys[]', KEY),
    },
    {
      does: 'creates a pre-auth key with the id as a number',
      method: 'POST',
      path: '/api/v1/preauthkey',
      body: { user: { number: userId }, expiration: '{later}', reusable: true },
      reads: of('preAuthKey', KEY),
    },
    {
      does: 'expires a pre-auth key by the key',
      method: 'POST',
      path: '/api/v1/preauthkey/expire',
      body: { user: { number: userId }, key: '{preAuthKey}' },
    },
    {
      does: 'approves routes',
      method: 'POST',
      path: '/api/v1/node/{node}/approve_routes',
      body: { routes: ['10.0.0.0/24'] },
    },
    { does: 'lists users', method: 'GET', path: '/api/v1/user', reads: of('users[]', USER) },
    { does: 'adds a user', method: 'POST', path: '/api/v1/user', body: { name: '{newName}' } },
    { does: 'renames a user', method: 'POST', path: '/api/v1/user/{user}/rename/{newName}' },
    { does: 'shows the policy', method: 'GET', path: '/api/v1/policy', reads: ['policy'] },
    {
      does: 'saves the policy',
      method: 'PUT',
      path: '/api/v1/policy',
      body: { policy: '{policy}' },
    },
    { does: 'deletes a device', method: 'DELETE', path: '/api/v1/node/{node}' },
    { does: 'deletes a user', method: 'DELETE', path: '/api/v1/user/{user}' },
    {
      does: 'is told of routes that headscale has no more',
      method: 'GET',
      path: '/api/v1/routes',
      status: 404,
      reads: ['code', 'message'],
    },
  ],
};

export const USER_INTERFACES: readonly UserInterface[] = [
  headplane,
  headscaleAdmin,
  headscaleUi,
  headscaleManager,
  scaleManager,
];

function of(where: string, fields: readonly string[]): readonly string[] {
  return fields.map((field) => `${where}.${field}`);
}
