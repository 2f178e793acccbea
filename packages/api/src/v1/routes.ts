/** The routes of the administrators' API v1: headscale's, and what malla has beside them. */
import { z } from 'zod';
import {
  type EventStreamRoute,
  type RouteAnswer,
  type RouteCall,
  type RouteInput,
  routesBelow,
} from '../route.ts';
import { ExplainAnswer, ExplainBody } from './policy-explain-schemas.ts';
import * as p from './policy-schemas.ts';
import * as d from './dns-schemas.ts';
import * as s from './schemas.ts';

export const API_PREFIX = '/api/v1';

/** A policy with a topology to preview it for; the listeners take 4 MB. */
const MAX_POLICY_BODY = 4 << 20;

const route = routesBelow(API_PREFIX);

const nodeId = z.strictObject({ nodeId: s.Id });

/** The route table, by operation. */
export const routes = {
  createUser: route('POST', '/user', {
    tag: 'Users',
    access: 'users',
    summary: 'Create a user',
    body: s.CreateUserBody,
    answer: s.UserAnswer,
    codes: ['user.name-invalid', 'user.name-taken'],
  }),
  listUsers: route('GET', '/user', {
    tag: 'Users',
    access: 'users:read',
    summary: 'List users',
    description: 'All, or those of a name, else of an e-mail address, else of an id.',
    query: z.strictObject({
      id: s.Id.optional(),
      name: z.string().optional(),
      email: z.string().optional(),
    }),
    answer: s.UsersAnswer,
  }),
  renameUser: route('POST', '/user/{oldId}/rename/{newName}', {
    tag: 'Users',
    access: 'users',
    summary: 'Rename a user',
    params: z.strictObject({ oldId: s.Id, newName: z.string() }),
    answer: s.UserAnswer,
    codes: ['user.not-found', 'user.name-invalid', 'user.name-taken'],
  }),
  deleteUser: route('DELETE', '/user/{id}', {
    tag: 'Users',
    access: 'users',
    summary: 'Delete a user, the devices it owns and its pre-auth keys',
    params: z.strictObject({ id: s.Id }),
    answer: s.NoContent,
    codes: ['user.not-found'],
  }),

  createPreAuthKey: route('POST', '/preauthkey', {
    tag: 'PreAuthKeys',
    access: 'auth_keys',
    summary: 'Create a pre-auth key',
    body: s.CreatePreAuthKeyBody,
    answer: s.PreAuthKeyAnswer,
    codes: ['user.not-found', 'node.tags-invalid', 'preauth-key.invalid'],
  }),
  listPreAuthKeys: route('GET', '/preauthkey', {
    tag: 'PreAuthKeys',
    access: 'auth_keys:read',
    summary: 'List pre-auth keys',
    description: 'All, or those of one user, by id or name.',
    query: z.strictObject({ user: z.string().optional() }),
    answer: s.PreAuthKeysAnswer,
    codes: ['user.not-found'],
  }),
  expirePreAuthKey: route('POST', '/preauthkey/expire', {
    tag: 'PreAuthKeys',
    access: 'auth_keys',
    summary: 'Expire a pre-auth key now',
    body: s.ExpirePreAuthKeyBody,
    answer: s.NoContent,
    codes: ['preauth-key.not-found'],
  }),
  deletePreAuthKey: route('DELETE', '/preauthkey', {
    tag: 'PreAuthKeys',
    access: 'auth_keys',
    summary: 'Delete a pre-auth key',
    query: z.strictObject({ id: s.Id }),
    answer: s.NoContent,
    codes: ['preauth-key.not-found'],
  }),

  createApiKey: route('POST', '/apikey', {
    tag: 'ApiKeys',
    access: 'api_access_tokens',
    summary: 'Create an API key',
    body: s.CreateApiKeyBody,
    answer: s.ApiKeyCreated,
  }),
  listApiKeys: route('GET', '/apikey', {
    tag: 'ApiKeys',
    access: 'api_access_tokens:read',
    summary: 'List API keys',
    answer: s.ApiKeysAnswer,
  }),
  expireApiKey: route('POST', '/apikey/expire', {
    tag: 'ApiKeys',
    access: 'api_access_tokens',
    summary: 'Expire an API key now',
    body: s.ExpireApiKeyBody,
    answer: s.NoContent,
    codes: ['api-key.not-found'],
  }),
  deleteApiKey: route('DELETE', '/apikey/{prefix}', {
    tag: 'ApiKeys',
    access: 'api_access_tokens',
    summary: 'Delete an API key',
    params: z.strictObject({ prefix: z.string() }),
    query: z.strictObject({ id: s.Id.optional() }),
    answer: s.NoContent,
    codes: ['api-key.not-found'],
  }),

  listNodes: route('GET', '/node', {
    tag: 'Nodes',
    access: 'devices:core:read',
    summary: 'List nodes',
    description: 'All, or those of one user, by name or id.',
    query: z.strictObject({ user: z.string().optional() }),
    answer: s.NodesAnswer,
    codes: ['user.not-found'],
  }),
  getNode: route('GET', '/node/{nodeId}', {
    tag: 'Nodes',
    access: 'devices:core:read',
    summary: 'Get a node',
    params: nodeId,
    answer: s.NodeAnswer,
    codes: ['node.not-found'],
  }),
  deleteNode: route('DELETE', '/node/{nodeId}', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Delete a node',
    params: nodeId,
    answer: s.NoContent,
    codes: ['node.not-found'],
  }),
  expireNode: route('POST', '/node/{nodeId}/expire', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Expire a node now or later, or never',
    params: nodeId,
    body: s.ExpireNodeBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.expiry-invalid'],
  }),
  renameNode: route('POST', '/node/{nodeId}/rename/{newName}', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Rename a node',
    params: z.strictObject({ nodeId: s.Id, newName: z.string() }),
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.name-invalid', 'node.name-taken'],
  }),
  setTags: route('POST', '/node/{nodeId}/tags', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Replace the tags of a node',
    description: 'A tagged node has no owner and its key does not expire.',
    params: nodeId,
    body: s.SetTagsBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.tags-invalid'],
  }),
  setApprovedRoutes: route('POST', '/node/{nodeId}/approve_routes', {
    tag: 'Nodes',
    access: 'devices:routes',
    summary: 'Replace the approved routes of a node',
    description: '0.0.0.0/0 and ::/0 come together: either approves the exit node.',
    params: nodeId,
    body: s.SetApprovedRoutesBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.routes-invalid'],
  }),
  registerNode: route('POST', '/node/register', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Register a waiting device (older form of authRegister)',
    query: z.strictObject({ user: z.string(), key: z.string() }),
    answer: s.NodeAnswer,
    codes: [
      'auth.id-invalid',
      'auth.not-found',
      'user.not-found',
      'register.refused',
      'node.key-in-use',
      'address.exhausted',
    ],
  }),
  backfillNodeIps: route('POST', '/node/backfillips', {
    tag: 'Nodes',
    access: 'devices:core',
    summary: 'Give every node the addresses that the configured prefixes call for',
    query: z.strictObject({ confirmed: z.enum(['true', 'false']).default('false') }),
    answer: s.BackfillAnswer,
    codes: ['address.exhausted'],
  }),
  listNodeAudit: route('GET', '/node/{nodeId}/audit', {
    tag: 'Nodes',
    access: 'logs:configuration:read',
    summary: "List a node's audit log, newest first",
    params: nodeId,
    query: z.strictObject({
      limit: z
        .string()
        .regex(/^[1-9]\d{0,2}$/, 'must be a number from 1 to 999')
        .default('100'),
    }),
    answer: s.AuditAnswer,
    codes: ['node.not-found'],
  }),

  authRegister: route('POST', '/auth/register', {
    tag: 'Auth',
    access: 'devices:core',
    summary: 'Register a waiting device to a user',
    body: s.AuthRegisterBody,
    answer: s.NodeAnswer,
    codes: [
      'auth.id-invalid',
      'auth.not-found',
      'user.not-found',
      'register.refused',
      'node.key-in-use',
      'address.exhausted',
    ],
  }),
  authApprove: route('POST', '/auth/approve', {
    tag: 'Auth',
    access: 'devices:core',
    summary: 'Let a waiting SSH connection through',
    description: 'Refused for a device that waits to register: that needs a user.',
    body: s.AuthIdBody,
    answer: s.NoContent,
    codes: ['auth.id-invalid', 'auth.not-found'],
  }),
  authReject: route('POST', '/auth/reject', {
    tag: 'Auth',
    access: 'devices:core',
    summary: 'Refuse a waiting device or SSH connection',
    body: s.AuthIdBody,
    answer: s.NoContent,
    codes: ['auth.id-invalid', 'auth.not-found'],
  }),

  getPolicy: route('GET', '/policy', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Get the policy that is in force',
    answer: p.PolicyAnswer,
    codes: ['policy.not-found'],
  }),
  setPolicy: route('PUT', '/policy', {
    tag: 'Policy',
    access: 'policy_file',
    summary: 'Put another policy in force',
    description:
      'Only with policy.mode database. Its tests are run before anything is changed. An empty text, as interfaces send it to clear the policy, is none: see `DELETE /policy`.',
    body: p.PolicyBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicySetAnswer,
    codes: ['policy.read-only', 'policy.invalid', 'policy.busy'],
  }),
  unsetPolicy: route('DELETE', '/policy', {
    tag: 'Policy',
    access: 'policy_file',
    summary: 'Go back to no policy',
    description:
      'Only with policy.mode database. From then on policy.default holds; the history has it as a version.',
    answer: p.PolicyUnsetAnswer,
    codes: ['policy.read-only', 'policy.busy'],
  }),
  checkPolicy: route('POST', '/policy/check', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Check a policy and run its tests, and change nothing',
    body: p.PolicyBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyCheckAnswer,
    codes: ['policy.invalid', 'policy.busy'],
  }),
  testPolicy: route('POST', '/policy/test', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Run the tests of the policy in force, or of another, in the live tailnet',
    body: p.OptionalPolicyBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyTestAnswer,
    codes: ['policy.not-found', 'policy.invalid', 'policy.busy'],
  }),
  previewPolicy: route('POST', '/policy/preview', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'What every node would be sent under a policy',
    description:
      'For the given users and nodes, or for the live tailnet, of up to 10,000 nodes. An answer tells of up to a million peers. A policy that is refused is answered with 200 too, and every reason.',
    body: p.PreviewBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PreviewAnswer,
    codes: ['policy.topology-invalid', 'policy.name-unknown', 'policy.busy'],
  }),
  comparePolicy: route('POST', '/policy/changes', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'What would change for whom in the live tailnet under another policy, or without one',
    body: p.ComparedBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyChangesAnswer,
    codes: ['policy.invalid', 'policy.busy'],
  }),
  explainPolicy: route('POST', '/policy/explain', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Whether something may reach something, and by which rule or for want of which',
    body: ExplainBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: ExplainAnswer,
    codes: ['policy.invalid', 'policy.name-unknown', 'policy.busy'],
  }),
  policyStatus: route('GET', '/policy/status', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Where the policy is kept, which version is in force, and what is wrong',
    answer: p.PolicyStatusAnswer,
  }),
  listPolicyVersions: route('GET', '/policy/history', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'List the versions of the policy, newest first',
    query: z.strictObject({
      limit: z
        .string()
        .regex(/^([1-9]\d{0,2}|1000)$/, 'must be a number from 1 to 1000')
        .default('100'),
    }),
    answer: p.PolicyHistoryAnswer,
  }),
  getPolicyVersion: route('GET', '/policy/history/{id}', {
    tag: 'Policy',
    access: 'policy_file:read',
    summary: 'Get a version of the policy',
    params: z.strictObject({ id: s.Id }),
    answer: p.PolicyVersionAnswer,
    codes: ['policy.not-found'],
  }),
  rollbackPolicy: route('POST', '/policy/rollback', {
    tag: 'Policy',
    access: 'policy_file',
    summary: 'Put an earlier version of the policy in force again, as a new one',
    body: p.RollbackBody,
    answer: p.PolicySetAnswer,
    codes: ['policy.read-only', 'policy.not-found', 'policy.invalid', 'policy.busy'],
  }),

  listDnsRecords: route('GET', '/dns/records', {
    tag: 'DNS',
    access: 'dns:read',
    summary: 'List DNS records: names that are not nodes',
    description: 'Those of the configuration and of its file too.',
    answer: d.DnsRecordsAnswer,
  }),
  addDnsRecord: route('POST', '/dns/records', {
    tag: 'DNS',
    access: 'dns',
    summary: 'Add a DNS record',
    body: d.AddDnsRecordBody,
    answer: d.DnsRecordAnswer,
    codes: ['dns.record-invalid', 'dns.record-exists', 'dns.record-limit'],
  }),
  removeDnsRecords: route('DELETE', '/dns/records', {
    tag: 'DNS',
    access: 'dns',
    summary: 'Remove DNS records of the database',
    description: 'One by its id; or all of a name, of a type and a value where given.',
    query: d.RemoveDnsRecordsQuery,
    answer: d.DnsRecordsAnswer,
    codes: ['dns.record-not-found'],
  }),

  debugCreateNode: route('POST', '/debug/node', {
    tag: 'Debug',
    access: 'all',
    summary: 'Make a request wait as if a device had asked',
    body: s.DebugCreateNodeBody,
    answer: s.NodeAnswer,
    codes: ['auth.id-invalid', 'auth.too-many', 'user.not-found', 'node.routes-invalid'],
  }),
  debugC2n: route('POST', '/debug/c2n', {
    tag: 'Debug',
    access: 'all',
    summary: 'Send an HTTP request to a connected client',
    body: s.DebugC2nBody,
    answer: s.ClientResponse,
    codes: ['node.not-found', 'node.offline', 'node.timeout', 'node.bad-answer'],
  }),

  health: route('GET', '/health', {
    tag: 'Health',
    access: 'known-caller',
    summary: 'Whether the database can be used',
    answer: s.HealthAnswer,
  }),
} as const;

export type RouteName = keyof typeof routes;
export const routeNames = Object.keys(routes) as readonly RouteName[];

/** Answers that go on while somebody reads them. */
export const eventStreams = {
  events: {
    method: 'GET',
    path: `${API_PREFIX}/events`,
    access: 'all:read',
    tag: 'Events',
    summary: 'Watch what happens to the tailnet',
    description:
      'Server-sent events: `row`, `presence`, `routes`, `policy`, `login`, `ssh-check`. One says what has changed and not how; nobody is sent what happened before.',
  },
} as const satisfies Readonly<Record<string, EventStreamRoute>>;

type RouteOf<N extends RouteName> = (typeof routes)[N];

/** What a caller passes: fields with a default may be left out. */
export type CallInput<N extends RouteName> = RouteCall<RouteOf<N>>;
/** What a handler gets: checked, defaults filled in. */
export type HandlerInput<N extends RouteName> = RouteInput<RouteOf<N>>;
/** What a handler gives, and a call resolves to. */
export type AnswerOf<N extends RouteName> = RouteAnswer<RouteOf<N>>;
