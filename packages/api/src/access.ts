/**
 * Who calls the API, and what they may. A caller is a value, every route says what it needs
 * (`Route.access`), and {@link permits} alone decides.
 *
 * Source: the scopes are the hosted service's (Tailscale API, "OAuth clients: scopes"), the roles' its
 * matrix of user roles.
 */

/** What rights are given for. Each lets write, and read too; with `:read` it lets read alone. */
export const AREAS = [
  'api_access_tokens',
  'auth_keys',
  'devices:core',
  'devices:routes',
  'dns',
  'feature_settings',
  'logs:configuration',
  'policy_file',
  'users',
] as const;
export type Area = (typeof AREAS)[number];

/** A right. `all` holds every other, `all:read` every one to read. */
export type Scope = 'all' | 'all:read' | Area | `${Area}:read`;

/** What a route needs: a right, or that the caller is known. */
export type Access = Scope | 'known-caller';

/** What somebody is to a tailnet. */
export type Role = 'owner' | 'admin' | 'network-admin' | 'it-admin' | 'auditor' | 'member';

/** The rights of each role. What people may do with what is their own is not among them. */
const SCOPES_OF_ROLE: Readonly<Record<Role, readonly Scope[]>> = {
  owner: ['all'],
  admin: ['all'],
  'network-admin': [
    'all:read',
    'api_access_tokens',
    'auth_keys',
    'devices:routes',
    'dns',
    'policy_file',
  ],
  'it-admin': [
    'all:read',
    'api_access_tokens',
    'auth_keys',
    'devices:core',
    'feature_settings',
    'users',
  ],
  auditor: ['all:read'],
  member: [],
};

/** Who asks. */
export interface Caller {
  /** By which way: whoever may open the unix socket, or with an API key. */
  readonly kind: 'socket' | 'api-key';
  /** As logs, history and audit name them: `local`, the prefix of a key. */
  readonly name: string;
  /** The id of the user on whose behalf they act; undefined: on nobody's. */
  readonly user: string | undefined;
  /** Undefined: above all roles. */
  readonly role: Role | undefined;
  /** What they were given of the role's rights. */
  readonly scopes: readonly Scope[];
}

/** Whether a caller may use what needs this. */
export function permits({ role, scopes }: Caller, access: Access): boolean {
  if (access === 'known-caller') return true;
  const ofRole: readonly Scope[] = role === undefined ? ['all'] : SCOPES_OF_ROLE[role];
  return [ofRole, scopes].every((held) => held.some((scope) => holds(scope, access)));
}

/** Whether one right is, or contains, another. */
function holds(held: Scope, needed: Scope): boolean {
  if (held === 'all' || held === needed || `${held}:read` === needed) return true;
  return held === 'all:read' && needed.endsWith(':read');
}
