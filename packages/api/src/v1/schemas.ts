/**
 * The bodies of the REST API v1, as JSON: 64-bit ids are decimal strings, times RFC 3339, fields always
 * there. What is absent is null, and a list is never null. What is asked for may leave fields out; what
 * clients may send besides is the business of binding.ts.
 *
 * Source: headscale 0.30 development version, `/api/v1`, whose clients work unchanged.
 */
import { z } from 'zod';

/** Texts that may be sent as a JSON number too. */
export const numberLike = z.registry();

/** A decimal id. */
export const Id = z
  .string()
  .regex(/^\d{1,20}$/, 'must be a decimal number')
  .meta({ format: 'uint64', examples: ['1'] })
  .register(numberLike, {});

/** A user in a question, by name or by id. */
const UserReference = z.string().max(512).register(numberLike, {});

/** An RFC 3339 time. */
export const Time = z.iso.datetime({
  offset: true,
  error: 'must be a time like 2026-11-21T12:00:00Z',
});

/** A time in a question: of the years 1 to 9999 whatever its offset, so that it can be answered. */
const AskedTime = Time.refine((text) => {
  const year = new Date(text).getUTCFullYear();
  // What is no time at all has been refused as that.
  return !(year < 1 || year > 9999);
}, 'must be a time of the years 1 to 9999');

/** A short text that people or clients chose. */
const Text = z.string().max(512);
const Tags = z.array(z.string().max(256)).max(256);
const Routes = z.array(z.string().max(64)).max(1024);

export const User = z.object({
  id: Id,
  name: z.string(),
  createdAt: Time,
  displayName: z.string(),
  email: z.string(),
  providerId: z.string(),
  provider: z.string(),
  profilePicUrl: z.string(),
});
export type User = z.output<typeof User>;

export const PreAuthKey = z.object({
  user: User.nullable(),
  id: Id,
  key: z.string().meta({
    description: 'The whole key in the answer to its creation, only its prefix in every other.',
  }),
  reusable: z.boolean(),
  ephemeral: z.boolean(),
  used: z.boolean(),
  expiration: Time.nullable(),
  createdAt: Time,
  aclTags: z.array(z.string()),
});
export type PreAuthKey = z.output<typeof PreAuthKey>;

export const ApiKey = z.object({
  id: Id,
  prefix: z.string(),
  expiration: Time.nullable(),
  createdAt: Time,
  lastSeen: Time.nullable(),
});
export type ApiKey = z.output<typeof ApiKey>;

export const RegisterMethod = z.enum([
  'REGISTER_METHOD_UNSPECIFIED',
  'REGISTER_METHOD_AUTH_KEY',
  'REGISTER_METHOD_CLI',
  'REGISTER_METHOD_OIDC',
]);
export type RegisterMethod = z.output<typeof RegisterMethod>;

export const Node = z.object({
  id: Id,
  machineKey: z.string(),
  nodeKey: z.string(),
  discoKey: z.string(),
  ipAddresses: z.array(z.string()),
  name: z.string().meta({ description: 'What the device calls itself.' }),
  user: User.nullable().meta({
    description: 'Of a tagged node: null, and `tagged-devices` in lists.',
  }),
  lastSeen: Time.nullable(),
  expiry: Time.nullable().meta({ description: 'Null: its key never expires.' }),
  preAuthKey: PreAuthKey.nullable(),
  createdAt: Time,
  registerMethod: RegisterMethod,
  givenName: z.string().meta({ description: 'Its name in the tailnet, a DNS label.' }),
  online: z.boolean(),
  approvedRoutes: z.array(z.string()),
  availableRoutes: z.array(z.string()).meta({ description: 'What the device offers.' }),
  subnetRoutes: z
    .array(z.string())
    .meta({ description: 'What it serves now: what clients send to it, exit routes last.' }),
  tags: z.array(z.string()),
});
export type Node = z.output<typeof Node>;

export const AuditEntry = z.object({
  id: Id,
  action: z.string(),
  details: z.string(),
  timestamp: Time.meta({ description: "By the device's clock." }),
});
export type AuditEntry = z.output<typeof AuditEntry>;

export const ClientResponse = z.object({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});
export type ClientResponse = z.output<typeof ClientResponse>;

export const NoContent = z.object({});
export const UserAnswer = z.object({ user: User });
export const UsersAnswer = z.object({ users: z.array(User) });
export const PreAuthKeyAnswer = z.object({ preAuthKey: PreAuthKey });
export const PreAuthKeysAnswer = z.object({ preAuthKeys: z.array(PreAuthKey) });
export const ApiKeyCreated = z.object({ apiKey: z.string() });
export const ApiKeysAnswer = z.object({ apiKeys: z.array(ApiKey) });
export const NodeAnswer = z.object({ node: Node });
export const NodesAnswer = z.object({ nodes: z.array(Node) });
export const BackfillAnswer = z.object({ changes: z.array(z.string()) });
export const AuditAnswer = z.object({ entries: z.array(AuditEntry) });
export const HealthAnswer = z.object({
  databaseConnectivity: z.boolean(),
  warnings: z.array(z.string()).optional().meta({
    description: 'What an administrator ought to know; absent: nothing.',
  }),
});

export const CreateUserBody = z.strictObject({
  name: Text,
  displayName: Text.default(''),
  email: Text.default(''),
  pictureUrl: z.string().max(2048).default(''),
});

export const CreatePreAuthKeyBody = z.strictObject({
  user: UserReference.optional().meta({
    description: 'Whose devices use it, by id or name; may be left out if it has tags.',
  }),
  reusable: z.boolean().default(false),
  ephemeral: z.boolean().default(false),
  expiration: AskedTime.nullish().meta({ description: 'Absent: never.' }),
  aclTags: Tags.default([]),
});

export const ExpirePreAuthKeyBody = z.strictObject({
  id: Id.optional(),
  key: Text.optional().meta({
    description: 'Instead of the id, the key or as much of it as lists show.',
  }),
});

export const CreateApiKeyBody = z.strictObject({
  expiration: AskedTime.nullish().meta({ description: 'Absent: never.' }),
});

export const ExpireApiKeyBody = z.strictObject({
  prefix: Text.default('').meta({ description: 'Either this or the id.' }),
  id: Id.optional(),
});

export const SetTagsBody = z.strictObject({ tags: Tags.default([]) });
export const SetApprovedRoutesBody = z.strictObject({ routes: Routes.default([]) });

export const ExpireNodeBody = z.strictObject({
  expiry: AskedTime.nullish().meta({ description: 'Absent: now.' }),
  disableExpiry: z.boolean().default(false),
});

export const AuthRegisterBody = z.strictObject({
  user: UserReference.meta({ description: 'Who is to own the device, by name or id.' }),
  authId: Text,
});
export const AuthIdBody = z.strictObject({ authId: Text });

export const DebugCreateNodeBody = z.strictObject({
  user: UserReference,
  key: Text,
  name: Text,
  routes: Routes.default([]),
});

export const DebugC2nBody = z.strictObject({
  nodeId: Id,
  method: z.enum(['GET', 'POST', 'PUT']).default('GET'),
  path: z
    .string()
    .max(2048)
    .regex(/^\/[!-~]*$/, 'must be a path like /debug/goroutines'),
  body: z.string().max(65_536).default(''),
});
