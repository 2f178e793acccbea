/** The guides for people: each is followed by a test, so that what it shows was run as it stands. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Where guides are followed. */
const FOLLOWERS = 'tests/{guides,containers}/*.test.ts';

describe('the guide', () => {
  const followers = globSync(FOLLOWERS, { cwd: ROOT }).map((file) =>
    readFileSync(join(ROOT, file), 'utf8'),
  );
  for (const guide of globSync(['README.md', 'docs/guide/**/*.md'], { cwd: ROOT }).toSorted()) {
    test(`${guide} is followed to its last block of code`, () => {
      const own = followers.filter((text) => text.includes(`'${guide}'`));
      assert.ok(
        own.some((text) => text.includes('.assertAllTaken()')),
        `no test of ${FOLLOWERS} follows ${guide}`,
      );
    });
  }
});
