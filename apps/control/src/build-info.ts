/**
 * Which malla this is, and what `GET /version` says. Tools for headscale ask there which API they may
 * use, and take what they cannot place for an old one: so `version` is that of the headscale release
 * whose API this is, in its form, and malla's own stands beside it.
 *
 * Source: the answer of headscale 0.29.2; docs/decisions/0012-what-version-says.md.
 */

/** The release of headscale whose REST API v1 this server has, as that release writes it. */
export const API_LEVEL = 'v0.29.2';

export interface BuildInfo {
  /** malla's. */
  readonly version: string;
  /** `unknown` where nobody knows. */
  readonly commit: string;
  /** RFC 3339 time of the commit, or `unknown`. */
  readonly buildTime: string;
  /** Whether files differ from the commit. */
  readonly dirty: boolean;
  readonly node: { readonly version: string; readonly os: string; readonly arch: string };
}

/** The names of Go for what Node calls otherwise; tools choose downloads by them. */
const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
const GO_OS: Readonly<Record<string, string>> = { win32: 'windows' };

/** The answer, as JSON values. `go` has the fields of headscale's with what this runs on. */
export function versionAnswer({ version, commit, buildTime, dirty, node }: BuildInfo): object {
  return {
    version: API_LEVEL,
    commit,
    buildTime,
    go: {
      version: `node ${node.version}`,
      os: GO_OS[node.os] ?? node.os,
      arch: GO_ARCH[node.arch] ?? node.arch,
    },
    dirty,
    malla: { version },
  };
}
