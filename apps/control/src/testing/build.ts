/** For tests: what was built. */
import type { BuildInfo } from '../build-info.ts';

/** A version that is nobody's. */
export const TEST_BUILD: BuildInfo = {
  version: '1.2.3',
  commit: 'c0ffee',
  buildTime: '2026-11-21T12:00:00+01:00',
  dirty: false,
  node: { version: 'v26.10.0', os: 'linux', arch: 'x64' },
};
