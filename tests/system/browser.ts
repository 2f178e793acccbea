/** A browser without a window, Debian's Chromium, for tests of what a person sees. */
import { type Browser, chromium } from 'playwright-core';

/** The program that must be installed. */
export const BROWSER_TOOL = 'chromium';
/** A name of every address on this machine that browsers do not take for a secure place, as they take loopback. */
export const INSECURE_NAME = 'malla.test';

/** Starts one; whoever starts it closes it. */
export function startBrowser(): Promise<Browser> {
  const args = [`--host-resolver-rules=MAP ${INSECURE_NAME} 127.0.0.1`];
  // Chromium refuses to make its sandbox as root, as in containers; it sees no pages but ours.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return chromium.launch({ executablePath: `/usr/bin/${BROWSER_TOOL}`, args });
}
