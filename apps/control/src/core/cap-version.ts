/** Which clients are served, by the capability version that they name. */

/** The oldest: 1.80. */
export const MIN_CAP_VERSION = 113;

/** What the text for a client that is too old says. */
export function unsupported(capVersion: number): string {
  return `unsupported client version: capability version ${capVersion}, this server needs ${MIN_CAP_VERSION} (Tailscale 1.80) or later`;
}
