/** What an explanation of the policy says: facts for programs, and a sentence for people in each `text`. */
import { z } from 'zod';

const Subject = z.string().min(1).max(512);

/** IANA numbers of the protocols that have a name here. */
const PROTOCOL_NUMBERS = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 } as const;
const Protocol = z.union([
  z.enum(Object.keys(PROTOCOL_NUMBERS) as (keyof typeof PROTOCOL_NUMBERS)[]),
  z.int().min(0).max(255),
]);

/** The IANA number of a protocol that the schema has let through. */
export function protocolNumber(protocol: z.output<typeof Protocol>): number {
  return typeof protocol === 'number' ? protocol : PROTOCOL_NUMBERS[protocol];
}

export const ExplainBody = z.strictObject({
  source: Subject.meta({
    description:
      'The name of a node, an address, or what a policy names: a user, `group:`, `tag:`, `autogroup:`, a host.',
  }),
  destination: Subject.meta({ description: 'As the source, or a prefix behind a router.' }),
  port: z.int().min(0).max(65_535).optional().meta({ description: 'Absent: any.' }),
  protocol: Protocol.default('tcp'),
  sshUser: z.string().min(1).max(256).optional().meta({
    description: 'Asks about a Tailscale SSH session as this user instead.',
  }),
  policy: z
    .string()
    .max(1 << 20)
    .optional()
    .meta({ description: 'HuJSON; absent: the policy in force.' }),
});

const RuleReference = z.object({ path: z.string(), line: z.int(), column: z.int() });
const Match = z.object({ rule: RuleReference, source: z.string(), destination: z.string() });
const Reason = z.object({
  kind: z.string().meta({ description: 'Such as `port`, `source`, `not-approved`.' }),
  rule: RuleReference.nullable(),
  text: z.string(),
});
const End = z.object({ node: z.int().nullable(), address: z.string().nullable() });
const Finding = z.object({
  allowed: z.boolean(),
  flows: z.int().meta({ description: 'How many pairs of sides fare like this.' }),
  example: z.object({ source: End, destination: End }),
  match: Match.nullable().meta({ description: 'The rule that admits.' }),
  router: z.int().nullable().meta({ description: 'The node that traffic is routed through.' }),
  reasons: z.array(Reason).readonly().meta({ description: 'Why not; the nearest miss first.' }),
  text: z.string(),
});
const Direction = z.object({
  outcome: z.enum(['allowed', 'denied', 'mixed']),
  findings: z.array(Finding).readonly(),
  unexamined: z.int(),
  text: z.string(),
});
const Network = z.object({
  outcome: z.enum(['allowed', 'denied', 'mixed']),
  forward: Direction,
  reverse: Direction.nullable(),
  text: z.string(),
});
const Ssh = z.object({
  outcome: z.enum(['accept', 'check', 'denied', 'mixed']),
  findings: z
    .array(
      Finding.omit({ allowed: true, router: true }).extend({
        outcome: z.enum(['accept', 'check', 'denied']),
      }),
    )
    .readonly(),
  unexamined: z.int(),
  text: z.string(),
});

export const ExplainAnswer = z.object({
  outcome: z.enum(['allowed', 'denied', 'mixed', 'accept', 'check']),
  text: z.string(),
  network: Network.nullable().meta({ description: 'Null when asked about SSH.' }),
  ssh: Ssh.nullable(),
});
export type ExplainAnswer = z.output<typeof ExplainAnswer>;
