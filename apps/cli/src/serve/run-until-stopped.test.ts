import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import type { Cli } from '../invocation.ts';
import { silentCli } from '../testing/cli.ts';
import { runUntilStopped } from './run-until-stopped.ts';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** A process whose signals a test sends. */
function signalled(): { readonly cli: Cli; readonly send: (signal: Signal) => void } {
  const listeners = new Map<Signal, () => void>();
  const onSignal: Cli['onSignal'] = (signal, listener) => void listeners.set(signal, listener);
  return { cli: { ...silentCli, onSignal }, send: (signal) => listeners.get(signal)?.() };
}

describe('a server process', () => {
  test('stops in good order at the first signal, even one that came while it started', async () => {
    const { cli, send } = signalled();
    const steps: string[] = [];
    await runUntilStopped(cli, silentLogger, async () => {
      send('SIGTERM');
      steps.push('started');
      return {
        reload: () => Promise.resolve(),
        stop: async () => void steps.push('stopped'),
      };
    });
    assert.deepEqual(steps, ['started', 'stopped']);
  });

  test('does not wait for a good end at the second signal', async () => {
    const { cli, send } = signalled();
    const life = runUntilStopped(
      cli,
      silentLogger,
      async () => ({
        reload: () => Promise.resolve(),
        stop: () => {
          send('SIGINT');
          return new Promise<void>(() => {});
        },
      }),
      async () => send('SIGINT'),
    );
    await assert.rejects(life, {
      name: 'CommandError',
      message: 'SIGINT again: not waiting for a good end',
    });
  });

  test('survives a reload that fails', async () => {
    const { cli, send } = signalled();
    let reloads = 0;
    await runUntilStopped(
      cli,
      silentLogger,
      async () => ({
        reload: () => (reloads++, Promise.reject(new Error('no'))),
        stop: () => Promise.resolve(),
      }),
      async () => {
        send('SIGHUP');
        send('SIGHUP');
        send('SIGTERM');
      },
    );
    assert.equal(reloads, 2);
  });

  test('fails with what kept it from starting', async () => {
    const life = runUntilStopped(signalled().cli, silentLogger, () =>
      Promise.reject(new Error('no')),
    );
    await assert.rejects(life, { message: 'no' });
  });
});
