import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { onOrphaned } from './orphan.ts';

/** A process whose parent a test takes away. */
function child(env: Record<string, string>): {
  readonly calls: () => number;
  look(ppid: number): void;
} {
  let parent = 10;
  let calls = 0;
  const looks = new Set<() => void>();
  onOrphaned(
    {
      env,
      ppid: () => parent,
      every: (_ms, look) => {
        looks.add(look);
        return () => void looks.delete(look);
      },
    },
    () => void (calls += 1),
  );
  return {
    calls: () => calls,
    look: (ppid) => {
      parent = ppid;
      for (const look of looks) look();
    },
  };
}

const NOT_START: readonly Record<string, string>[] = [{}, { npm_lifecycle_event: 'test' }];

describe('a server that npm start or npx began', () => {
  test('is told once that the shell is gone', () => {
    for (const event of ['start', 'npx']) {
      const server = child({ npm_lifecycle_event: event });
      server.look(10);
      assert.equal(server.calls(), 0);
      server.look(1);
      server.look(1);
      assert.equal(server.calls(), 1);
    }
  });

  test('is told nothing when somebody else began it, who may go before it', () => {
    for (const env of NOT_START) {
      const server = child(env);
      server.look(1);
      assert.equal(server.calls(), 0);
    }
  });
});
