/** The administrators' API v1 as one value. */
import type { ApiTable } from '../route.ts';
import { DnsRecord } from './dns-schemas.ts';
import { PolicyChange, PolicyProblem, PolicyVersion } from './policy-schemas.ts';
import { API_PREFIX, eventStreams, routes } from './routes.ts';
import { ApiKey, AuditEntry, Node, PreAuthKey, User } from './schemas.ts';

export const apiV1: ApiTable = {
  prefix: API_PREFIX,
  routes,
  eventStreams,
  namedSchemas: {
    User,
    PreAuthKey,
    ApiKey,
    Node,
    AuditEntry,
    DnsRecord,
    PolicyVersion,
    PolicyProblem,
    PolicyChange,
  },
};
