import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import type { Cli } from '../invocation.ts';
import { NOW, silentCli } from '../testing/cli.ts';
import { type Running, runUntilStopped } from './run-until-stopped.ts';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** A process whose signals a test sends. */
function signalled(): {
  readonly cli: Cli;
  readonly send: (signal: Signal) => void;
  readonly pass: (ms: number) => void;
} {
  const listeners = new Map<Signal, () => void>();
  const onSignal: Cli['onSignal'] = (signal, listener) => void listeners.set(signal, listener);
  let now = NOW;
  return {
    cli: { ...silentCli, onSignal, now: () => now },
    send: (signal) => listeners.get(signal)?.(),
    pass: (ms) => void (now += ms),
  };
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
    const { cli, send, pass } = signalled();
    const stop = (): Promise<void> => {
      pass(501);
      send('SIGINT');
      return new Promise(() => {});
    };
    const start = async (): Promise<Running> => ({ reload: () => Promise.resolve(), stop });
    const life = runUntilStopped(cli, silentLogger, start, async () => send('SIGINT'));
    await assert.rejects(life, {
      name: 'CommandError',
      message: 'SIGINT again: not waiting for a good end',
    });
  });

  test('takes a signal that npm passes on a moment later for the same one', async () => {
    const { cli, send, pass } = signalled();
    let isStopped = false;
    const stop = async (): Promise<void> => {
      pass(500);
      send('SIGINT');
      await Promise.resolve();
      isStopped = true;
    };
    const start = async (): Promise<Running> => ({ reload: () => Promise.resolve(), stop });
    await runUntilStopped(cli, silentLogger, start, async () => send('SIGINT'));
    assert.equal(isStopped, true);
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
