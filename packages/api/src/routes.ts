/**
 * Every route of the administrators' API, once: the server's dispatch, the OpenAPI document and the
 * typed client are made from this table.
 *
 * An operation's input is one flat object: the path's parameters, the query's and the body's fields,
 * whose names never collide.
 */
import type { ErrorCode } from '@malla/base/error-codes';
import { z } from 'zod';
import { ExplainAnswer, ExplainBody } from './policy-explain-schemas.ts';
import * as p from './policy-schemas.ts';
import * as d from './dns-schemas.ts';
import * as s from './schemas.ts';

export const API_PREFIX = '/api/v1';

type Fields = z.ZodObject;
/** A policy with a topology to preview it for; the listeners take 4 MB. */
const MAX_POLICY_BODY = 4 << 20;
const NONE = z.strictObject({});
type None = typeof NONE;

export interface Route<
  Params extends Fields = Fields,
  Query extends Fields = Fields,
  Body extends Fields | undefined = Fields | undefined,
  Answer extends Fields = Fields,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{name}` for parameters. */
  readonly path: string;
  /** Heading in the documentation. */
  readonly tag:
    | 'Users'
    | 'PreAuthKeys'
    | 'ApiKeys'
    | 'Nodes'
    | 'Auth'
    | 'Policy'
    | 'DNS'
    | 'Debug'
    | 'Health';
  readonly summary: string;
  readonly description?: string;
  readonly params: Params;
  readonly query: Query;
  /** Undefined: the route takes no body. */
  readonly body: Body;
  /** Longest body where it may be longer than usual, characters. */
  readonly maxBodyLength?: number;
  readonly answer: Answer;
  /** The refusals that are this route's own, besides {@link COMMON_CODES}. */
  readonly codes: readonly ErrorCode[];
}

/** What any route may refuse with. */
export const COMMON_CODES: readonly ErrorCode[] = [
  'request.invalid',
  'request.unauthenticated',
  'request.too-large',
  'server.busy',
  'store.unavailable',
  'internal',
];

interface Declared<
  Params extends Fields,
  Query extends Fields,
  Body extends Fields | undefined,
  Answer extends Fields,
> extends Pick<
  Route<Params, Query, Body, Answer>,
  'tag' | 'summary' | 'description' | 'answer' | 'maxBodyLength'
> {
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly codes?: readonly ErrorCode[];
}

function route<
  Answer extends Fields,
  Params extends Fields = None,
  Query extends Fields = None,
  Body extends Fields | undefined = undefined,
>(
  method: Route['method'],
  path: string,
  declared: Declared<Params, Query, Body, Answer>,
): Route<Params, Query, Body, Answer> {
  return {
    method,
    path: API_PREFIX + path,
    tag: declared.tag,
    summary: declared.summary,
    ...(declared.description === undefined ? {} : { description: declared.description }),
    // Absent exactly where the type says None or undefined.
    params: declared.params ?? (NONE as unknown as Params),
    query: declared.query ?? (NONE as unknown as Query),
    body: declared.body as Body,
    ...(declared.maxBodyLength === undefined ? {} : { maxBodyLength: declared.maxBodyLength }),
    answer: declared.answer,
    codes: declared.codes ?? [],
  };
}

const nodeId = z.strictObject({ nodeId: s.Id });

/** The route table, by operation. */
export const routes = {
  createUser: route('POST', '/user', {
    tag: 'Users',
    summary: 'Create a user',
    body: s.CreateUserBody,
    answer: s.UserAnswer,
    codes: ['user.name-invalid', 'user.name-taken'],
  }),
  listUsers: route('GET', '/user', {
    tag: 'Users',
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
    summary: 'Rename a user',
    params: z.strictObject({ oldId: s.Id, newName: z.string() }),
    answer: s.UserAnswer,
    codes: ['user.not-found', 'user.name-invalid', 'user.name-taken'],
  }),
  deleteUser: route('DELETE', '/user/{id}', {
    tag: 'Users',
    summary: 'Delete a user, the devices it owns and its pre-auth keys',
    params: z.strictObject({ id: s.Id }),
    answer: s.NoContent,
    codes: ['user.not-found'],
  }),

  createPreAuthKey: route('POST', '/preauthkey', {
    tag: 'PreAuthKeys',
    summary: 'Create a pre-auth key',
    body: s.CreatePreAuthKeyBody,
    answer: s.PreAuthKeyAnswer,
    codes: ['user.not-found', 'node.tags-invalid', 'preauth-key.invalid'],
  }),
  listPreAuthKeys: route('GET', '/preauthkey', {
    tag: 'PreAuthKeys',
    summary: 'List pre-auth keys',
    description: 'All, or those of one user, by id or name.',
    query: z.strictObject({ user: z.string().optional() }),
    answer: s.PreAuthKeysAnswer,
    codes: ['user.not-found'],
  }),
  expirePreAuthKey: route('POST', '/preauthkey/expire', {
    tag: 'PreAuthKeys',
    summary: 'Expire a pre-auth key now',
    body: s.ExpirePreAuthKeyBody,
    answer: s.NoContent,
    codes: ['preauth-key.not-found'],
  }),
  deletePreAuthKey: route('DELETE', '/preauthkey', {
    tag: 'PreAuthKeys',
    summary: 'Delete a pre-auth key',
    query: z.strictObject({ id: s.Id }),
    answer: s.NoContent,
    codes: ['preauth-key.not-found'],
  }),

  createApiKey: route('POST', '/apikey', {
    tag: 'ApiKeys',
    summary: 'Create an API key',
    body: s.CreateApiKeyBody,
    answer: s.ApiKeyCreated,
  }),
  listApiKeys: route('GET', '/apikey', {
    tag: 'ApiKeys',
    summary: 'List API keys',
    answer: s.ApiKeysAnswer,
  }),
  expireApiKey: route('POST', '/apikey/expire', {
    tag: 'ApiKeys',
    summary: 'Expire an API key now',
    body: s.ExpireApiKeyBody,
    answer: s.NoContent,
    codes: ['api-key.not-found'],
  }),
  deleteApiKey: route('DELETE', '/apikey/{prefix}', {
    tag: 'ApiKeys',
    summary: 'Delete an API key',
    params: z.strictObject({ prefix: z.string() }),
    query: z.strictObject({ id: s.Id.optional() }),
    answer: s.NoContent,
    codes: ['api-key.not-found'],
  }),

  listNodes: route('GET', '/node', {
    tag: 'Nodes',
    summary: 'List nodes',
    description: 'All, or those of one user, by name or id.',
    query: z.strictObject({ user: z.string().optional() }),
    answer: s.NodesAnswer,
    codes: ['user.not-found'],
  }),
  getNode: route('GET', '/node/{nodeId}', {
    tag: 'Nodes',
    summary: 'Get a node',
    params: nodeId,
    answer: s.NodeAnswer,
    codes: ['node.not-found'],
  }),
  deleteNode: route('DELETE', '/node/{nodeId}', {
    tag: 'Nodes',
    summary: 'Delete a node',
    params: nodeId,
    answer: s.NoContent,
    codes: ['node.not-found'],
  }),
  expireNode: route('POST', '/node/{nodeId}/expire', {
    tag: 'Nodes',
    summary: 'Expire a node now or later, or never',
    params: nodeId,
    body: s.ExpireNodeBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.expiry-invalid'],
  }),
  renameNode: route('POST', '/node/{nodeId}/rename/{newName}', {
    tag: 'Nodes',
    summary: 'Rename a node',
    params: z.strictObject({ nodeId: s.Id, newName: z.string() }),
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.name-invalid', 'node.name-taken'],
  }),
  setTags: route('POST', '/node/{nodeId}/tags', {
    tag: 'Nodes',
    summary: 'Replace the tags of a node',
    description: 'A tagged node has no owner and its key does not expire.',
    params: nodeId,
    body: s.SetTagsBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.tags-invalid'],
  }),
  setApprovedRoutes: route('POST', '/node/{nodeId}/approve_routes', {
    tag: 'Nodes',
    summary: 'Replace the approved routes of a node',
    description: '0.0.0.0/0 and ::/0 come together: either approves the exit node.',
    params: nodeId,
    body: s.SetApprovedRoutesBody,
    answer: s.NodeAnswer,
    codes: ['node.not-found', 'node.routes-invalid'],
  }),
  registerNode: route('POST', '/node/register', {
    tag: 'Nodes',
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
    summary: 'Give every node the addresses that the configured prefixes call for',
    query: z.strictObject({ confirmed: z.enum(['true', 'false']).default('false') }),
    answer: s.BackfillAnswer,
    codes: ['address.exhausted'],
  }),
  listNodeAudit: route('GET', '/node/{nodeId}/audit', {
    tag: 'Nodes',
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
    summary: 'Let a waiting SSH connection through',
    description: 'Refused for a device that waits to register: that needs a user.',
    body: s.AuthIdBody,
    answer: s.NoContent,
    codes: ['auth.id-invalid', 'auth.not-found'],
  }),
  authReject: route('POST', '/auth/reject', {
    tag: 'Auth',
    summary: 'Refuse a waiting device or SSH connection',
    body: s.AuthIdBody,
    answer: s.NoContent,
    codes: ['auth.id-invalid', 'auth.not-found'],
  }),

  getPolicy: route('GET', '/policy', {
    tag: 'Policy',
    summary: 'Get the policy that is in force',
    answer: p.PolicyAnswer,
    codes: ['policy.not-found'],
  }),
  setPolicy: route('PUT', '/policy', {
    tag: 'Policy',
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
    summary: 'Go back to no policy',
    description:
      'Only with policy.mode database. From then on policy.default holds; the history has it as a version.',
    answer: p.PolicyUnsetAnswer,
    codes: ['policy.read-only', 'policy.busy'],
  }),
  checkPolicy: route('POST', '/policy/check', {
    tag: 'Policy',
    summary: 'Check a policy and run its tests, and change nothing',
    body: p.PolicyBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyCheckAnswer,
    codes: ['policy.invalid', 'policy.busy'],
  }),
  testPolicy: route('POST', '/policy/test', {
    tag: 'Policy',
    summary: 'Run the tests of the policy in force, or of another, in the live tailnet',
    body: p.OptionalPolicyBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyTestAnswer,
    codes: ['policy.not-found', 'policy.invalid', 'policy.busy'],
  }),
  previewPolicy: route('POST', '/policy/preview', {
    tag: 'Policy',
    summary: 'What every node would be sent under a policy',
    description:
      'For the given users and nodes, or for the live tailnet. A policy that is refused is answered with 200 too, and every reason.',
    body: p.PreviewBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PreviewAnswer,
    codes: ['policy.topology-invalid', 'policy.busy'],
  }),
  comparePolicy: route('POST', '/policy/changes', {
    tag: 'Policy',
    summary: 'What would change for whom in the live tailnet under another policy, or without one',
    body: p.ComparedBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: p.PolicyChangesAnswer,
    codes: ['policy.invalid', 'policy.busy'],
  }),
  explainPolicy: route('POST', '/policy/explain', {
    tag: 'Policy',
    summary: 'Whether something may reach something, and by which rule or for want of which',
    body: ExplainBody,
    maxBodyLength: MAX_POLICY_BODY,
    answer: ExplainAnswer,
    codes: ['policy.invalid', 'policy.name-unknown', 'policy.busy'],
  }),
  policyStatus: route('GET', '/policy/status', {
    tag: 'Policy',
    summary: 'Where the policy is kept, which version is in force, and what is wrong',
    answer: p.PolicyStatusAnswer,
  }),
  listPolicyVersions: route('GET', '/policy/history', {
    tag: 'Policy',
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
    summary: 'Get a version of the policy',
    params: z.strictObject({ id: s.Id }),
    answer: p.PolicyVersionAnswer,
    codes: ['policy.not-found'],
  }),
  rollbackPolicy: route('POST', '/policy/rollback', {
    tag: 'Policy',
    summary: 'Put an earlier version of the policy in force again, as a new one',
    body: p.RollbackBody,
    answer: p.PolicySetAnswer,
    codes: ['policy.read-only', 'policy.not-found', 'policy.invalid', 'policy.busy'],
  }),

  listDnsRecords: route('GET', '/dns/records', {
    tag: 'DNS',
    summary: 'List DNS records: names that are not nodes',
    description: 'Those of the configuration and of its file too.',
    answer: d.DnsRecordsAnswer,
  }),
  addDnsRecord: route('POST', '/dns/records', {
    tag: 'DNS',
    summary: 'Add a DNS record',
    body: d.AddDnsRecordBody,
    answer: d.DnsRecordAnswer,
    codes: ['dns.record-invalid', 'dns.record-exists', 'dns.record-limit'],
  }),
  removeDnsRecords: route('DELETE', '/dns/records', {
    tag: 'DNS',
    summary: 'Remove DNS records of the database',
    description: 'One by its id; or all of a name, of a type and a value where given.',
    query: d.RemoveDnsRecordsQuery,
    answer: d.DnsRecordsAnswer,
    codes: ['dns.record-not-found'],
  }),

  debugCreateNode: route('POST', '/debug/node', {
    tag: 'Debug',
    summary: 'Make a request wait as if a device had asked',
    body: s.DebugCreateNodeBody,
    answer: s.NodeAnswer,
    codes: ['auth.id-invalid', 'auth.too-many', 'user.not-found', 'node.routes-invalid'],
  }),
  debugC2n: route('POST', '/debug/c2n', {
    tag: 'Debug',
    summary: 'Send an HTTP request to a connected client',
    body: s.DebugC2nBody,
    answer: s.ClientResponse,
    codes: ['node.not-found', 'node.offline', 'node.timeout', 'node.bad-answer'],
  }),

  health: route('GET', '/health', {
    tag: 'Health',
    summary: 'Whether the database can be used',
    answer: s.HealthAnswer,
  }),
} as const;

export type RouteName = keyof typeof routes;
export const routeNames = Object.keys(routes) as readonly RouteName[];

type Merge<T> = { [K in keyof T]: T[K] };
/** Of no fields zod makes a record of nothing, which nothing can be joined with. */
type WithFields<Part> = Part extends Fields
  ? keyof Part['shape'] extends never
    ? z.ZodUnknown
    : Part
  : z.ZodUnknown;
type PartsOf<N extends RouteName> = (typeof routes)[N];
type ParamsOf<N extends RouteName> = WithFields<PartsOf<N>['params']>;
type QueryOf<N extends RouteName> = WithFields<PartsOf<N>['query']>;
type BodyOf<N extends RouteName> = WithFields<PartsOf<N>['body']>;

/** What a caller passes: fields with a default may be left out. */
export type CallInput<N extends RouteName> = Merge<
  z.input<ParamsOf<N>> & z.input<QueryOf<N>> & z.input<BodyOf<N>>
>;
/** What a handler gets: checked, defaults filled in. */
export type HandlerInput<N extends RouteName> = Merge<
  z.output<ParamsOf<N>> & z.output<QueryOf<N>> & z.output<BodyOf<N>>
>;
/** What a handler gives, and a call resolves to. */
export type AnswerOf<N extends RouteName> = z.output<PartsOf<N>['answer']>;
