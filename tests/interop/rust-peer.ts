/**
 * The client in Rust, built by cargo from the crate beside this file into `.cache/interop`. What is there from
 * an earlier build is built upon, so that only the first takes minutes.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CRATE = fileURLToPath(new URL('client-rust', import.meta.url));
const TARGET = fileURLToPath(new URL('../../.cache/interop/rust', import.meta.url));

/** Path of a program that serves a web site in a tailnet. */
export function rustPeer(): string {
  const { status, error } = spawnSync('cargo', ['build', '--quiet', '--locked'], {
    cwd: CRATE,
    env: { ...process.env, CARGO_TARGET_DIR: TARGET },
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
  });
  if (status !== 0) throw new Error(`cargo build: ${error?.message ?? `exit code ${status}`}`);
  return join(TARGET, 'debug', 'rustpeer');
}
