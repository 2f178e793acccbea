/**
 * The bodies of the policy's routes. `GET` and `PUT /policy` and `POST /policy/check` are headscale's;
 * the others are ours. What nodes would be sent is in the names of the protocol.
 */
import { z } from 'zod';
import { Id, Time } from './schemas.ts';

/** Longest text of a policy, characters. */
const MAX_POLICY_LENGTH = 1 << 20;
/** Of a topology that is not the live tailnet. */
const MAX_USERS = 10_000;
const MAX_NODES = 1_000;
/** Nodes that one answer tells of by name. */
const MAX_PREVIEWED_NODES = 1_000;

const PolicyText = z
  .string()
  .max(MAX_POLICY_LENGTH)
  .meta({ description: 'HuJSON: JSON with comments and commas at the end of lists.' });
const Name = z.string().min(1).max(256);
const Tag = z
  .string()
  .max(256)
  .regex(/^tag:./, 'must begin with tag:');
const Prefix = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a prefix such as 10.0.0.0/24' });
const Prefixes = z.array(Prefix).max(1_024);

/** Who a policy is previewed for, when not for the live tailnet. */
const TopologyUser = z.strictObject({
  id: z.int().min(0).default(0).meta({ description: '0: not known.' }),
  name: Name,
  email: z.string().max(320).optional(),
  role: z
    .enum(['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'])
    .optional()
    .meta({ description: 'Absent: a member.' }),
});

const TopologyNode = z
  .strictObject({
    id: z.int().positive().optional().meta({ description: 'Absent: in the order given.' }),
    hostname: z
      .string()
      .max(256)
      .optional()
      .meta({ description: 'Not used: nodes go by their key.' }),
    user: Name.optional().meta({ description: 'Who owns it; a node with tags has no owner.' }),
    tags: z.array(Tag).max(256).nullish(),
    ipv4: z.union([z.ipv4(), z.literal('')], { error: 'must be an IPv4 address' }).optional(),
    ipv6: z.union([z.ipv6(), z.literal('')], { error: 'must be an IPv6 address' }).optional(),
    routable_ips: Prefixes.nullish().meta({ description: 'The routes that it announces.' }),
    approved_routes: Prefixes.nullish(),
    posture: z
      .record(z.string().max(256), z.union([z.string().max(1_024), z.number(), z.boolean()]))
      .optional(),
  })
  .refine(({ ipv4 = '', ipv6 = '' }) => ipv4 + ipv6 !== '', 'needs ipv4 or ipv6')
  .refine(
    ({ user, tags }) => user !== undefined || (tags ?? []).length > 0,
    'needs a user or tags',
  );
export type TopologyUser = z.output<typeof TopologyUser>;
export type TopologyNode = z.output<typeof TopologyNode>;

const Text = z.array(z.string()).readonly();
const CapMap = z.record(z.string(), z.array(z.unknown()).readonly().nullable()).readonly();
const Ports = z.object({ First: z.int(), Last: z.int() });

const FilterRule = z.object({
  SrcIPs: Text,
  DstPorts: z
    .array(z.object({ IP: z.string(), Ports }))
    .readonly()
    .optional(),
  IPProto: z.array(z.int()).readonly().optional(),
  CapGrant: z
    .array(z.object({ Dsts: Text, CapMap }))
    .readonly()
    .optional(),
});

const SshRule = z.object({
  principals: z
    .array(z.object({ nodeIP: z.string().optional(), any: z.boolean().optional() }))
    .readonly(),
  sshUsers: z.record(z.string(), z.string()).readonly(),
  action: z.object({
    message: z.string().optional(),
    reject: z.boolean().optional(),
    accept: z.boolean().optional(),
    sessionDuration: z.int().optional(),
    allowAgentForwarding: z.boolean().optional(),
    holdAndDelegate: z.string().optional(),
    allowLocalPortForwarding: z.boolean().optional(),
    allowRemotePortForwarding: z.boolean().optional(),
  }),
  acceptEnv: Text.optional(),
});

const PreviewPeer = z.object({
  allowedIPs: Text,
  primaryRoutes: Text.optional(),
  capMap: CapMap.optional(),
});

const PreviewNode = z.object({
  packetFilter: z.array(FilterRule).readonly(),
  sshPolicy: z.object({ rules: z.array(SshRule).readonly() }),
  peers: z.record(z.string(), PreviewPeer).readonly(),
  allowedIPs: Text,
  primaryRoutes: Text.optional(),
  capMap: CapMap,
});

/** One thing wrong with a policy, and where. */
export const PolicyProblem = z.object({
  line: z.int().meta({ description: 'From 1.' }),
  column: z.int().meta({ description: 'From 1, in UTF-16 units.' }),
  path: z.string().meta({ description: 'Such as `acls[3].dst[0]`.' }),
  message: z.string(),
  hint: z.string().meta({ description: 'How to mend it; may be empty.' }),
});
export type PolicyProblem = z.output<typeof PolicyProblem>;

export const PolicyVersion = z.object({
  id: Id,
  source: z.enum(['file', 'database', 'none']).meta({
    description: '`none`: from then on no policy was set.',
  }),
  author: z.string().meta({
    description: '`file`, `local` for the unix socket, or the prefix of an API key.',
  }),
  createdAt: Time,
});
export type PolicyVersion = z.output<typeof PolicyVersion>;

/** Names, of which only the first are given. */
const Names = z.object({ count: z.int(), names: z.array(z.string()).readonly() });
export type Names = z.output<typeof Names>;

const Access = z.object({
  from: Names,
  to: Names.meta({
    description: 'Addresses and prefixes, `autogroup:internet`; `*` alone for the node itself.',
  }),
  what: z.string().meta({ description: 'Such as `tcp:22`, or the name of an application.' }),
});
export type Access = z.output<typeof Access>;

const Login = z.object({ from: Names, user: z.string(), action: z.enum(['accept', 'check']) });
export type Login = z.output<typeof Login>;

function gainedAndLost<T extends z.ZodType>(kind: T) {
  return z.object({ gained: kind, lost: kind });
}

/** What changes for some nodes, the same for each of them. */
export const PolicyChange = z.object({
  nodes: Names,
  peers: gainedAndLost(Names),
  access: gainedAndLost(z.array(Access).readonly()).meta({
    description: 'Who may open what on them.',
  }),
  routes: gainedAndLost(Names).meta({ description: 'Such as `10.0.0.0/24 via router`.' }),
  ssh: gainedAndLost(z.array(Login).readonly()),
  attributes: gainedAndLost(Names),
});
export type PolicyChange = z.output<typeof PolicyChange>;

const DefaultRule = z.enum(['same-user', 'allow-all']);
const Warnings = z.array(PolicyProblem).meta({ description: 'What in it has no effect.' });

export const PolicyBody = z.strictObject({ policy: PolicyText });
export const ComparedBody = z
  .strictObject({
    policy: PolicyText.optional(),
    unset: z.literal(true).optional().meta({ description: 'No policy, in place of one.' }),
  })
  .refine(({ policy, unset }) => (policy === undefined) === (unset === true), {
    error: 'needs either policy or unset',
  });
export const OptionalPolicyBody = z.strictObject({
  policy: PolicyText.optional().meta({ description: 'Absent: the policy in force.' }),
});
export const RollbackBody = z.strictObject({ id: Id });

export const PreviewBody = z.strictObject({
  policy: z.union([PolicyText, z.record(z.string(), z.unknown())], {
    error: 'must be text or a JSON object',
  }),
  users: z
    .array(TopologyUser)
    .max(MAX_USERS)
    .refine(
      (users) => isUnique(users.map(({ id }) => id).filter((id) => id !== 0)),
      'an id is there twice',
    )
    .refine((users) => isUnique(users.map(({ name }) => name)), 'a name is there twice')
    .optional(),
  nodes: z
    .record(Name, TopologyNode)
    .refine((nodes) => Object.keys(nodes).length <= MAX_NODES, `at most ${MAX_NODES} nodes`)
    .optional()
    .meta({ description: 'By name. Without users and nodes: the live tailnet.' }),
  of: z
    .array(Name)
    .max(MAX_PREVIEWED_NODES)
    .optional()
    .meta({ description: 'Names of the nodes to tell of. Absent: all.' }),
});

function isUnique(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

export const PolicyAnswer = z.object({ policy: z.string(), updatedAt: Time });
export const PolicySetAnswer = PolicyAnswer.extend({
  warnings: Warnings.optional().meta({ description: 'Absent: none.' }),
});
export const PolicyCheckAnswer = PolicySetAnswer.pick({ warnings: true });
export const PolicyUnsetAnswer = z.object({
  default: DefaultRule.meta({ description: 'Who sees whom now.' }),
});
export const PolicyStatusAnswer = z.object({
  mode: z.enum(['file', 'database']),
  default: DefaultRule.meta({ description: 'Who sees whom while no policy is set.' }),
  version: PolicyVersion.nullable().meta({
    description: 'What is in force; null: none was ever set, or none of them is understood.',
  }),
  warnings: z.array(z.string()),
});
export const PolicyHistoryAnswer = z.object({ versions: z.array(PolicyVersion) });
export const PolicyVersionAnswer = z.object({ version: PolicyVersion, policy: z.string() });
export const PolicyTestAnswer = z.object({
  tests: z.int().meta({ description: 'How many entries `tests` and `sshTests` have.' }),
  failures: z.array(PolicyProblem),
  warnings: Warnings.optional().meta({ description: 'What in it has no effect. Absent: nothing.' }),
});
export const PreviewAnswer = z.object({
  accepted: z.boolean(),
  error: z.string().optional(),
  nodes: z.record(z.string(), PreviewNode).readonly().optional(),
});
export const PolicyChangesAnswer = z.object({
  changes: z.array(PolicyChange).readonly(),
  omitted: z.int().meta({ description: 'Nodes of which there are too many to be compared.' }),
  warnings: Warnings,
});
