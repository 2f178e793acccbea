/**
 * What a request asks for. Most clients write a path; some write the whole address, as to a proxy, and a server must
 * take that too (RFC 9112 §3.2.2). Observed: Tailscale's client in Rust does.
 */

/** Scheme and authority of an absolute address. */
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;

/** The same target as a path with its query. Whose address it is does not matter here, as Host does not. */
export function originForm(target: string): string {
  const [whose] = ABSOLUTE.exec(target) ?? [];
  if (whose === undefined) return target;
  const rest = target.slice(whose.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
