/**
 * What package-lock.json promises: the same bytes on every machine, without a package's own programs run,
 * and a file that no npm from 10 on (Node 20 brings it) rewrites, whatever the machine it runs on.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly libc?: readonly string[];
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

const lock = read('../package-lock.json');
const foreign = foreignIn(lock);

describe('package-lock.json', () => {
  test('knows the hash of everything that is fetched, and runs nothing of it', () => {
    assert.ok(foreign.length > 50);
    // And of Node 22, which has a lock file of its own: it is for tests alone.
    const older = foreignIn(read('./node-22/package-lock.json'));
    assert.equal(older.length, 2);
    for (const [path, { integrity, hasInstallScript }] of [...foreign, ...older]) {
      assert.match(integrity ?? '', /^sha512-/, path);
      assert.notEqual(hasInstallScript, true, path);
    }
  });

  test('has the packages of all platforms, or `npm install` elsewhere would add them', () => {
    for (const [path, { optionalDependencies }] of Object.entries(lock.packages)) {
      for (const name of Object.keys(optionalDependencies ?? {})) {
        const nested = `${path}/node_modules/${name}`;
        assert.ok(
          `node_modules/${name}` in lock.packages || nested in lock.packages,
          `${name}, wanted by ${path}`,
        );
      }
    }
  });

  test('brings Node for Linux, macOS and Windows, and for Linux one that needs no libatomic', () => {
    const platforms = foreign
      .filter(([path]) => /node_modules\/node-(bin-)?(linux|darwin|win)-/.test(path))
      .map(([, { os, cpu, version }]) => [os, cpu, version].flat().join(' '));
    assert.deepEqual(platforms.toSorted(), [
      'darwin arm64 26.10.0',
      'darwin x64 26.10.0',
      'linux arm64 24.21.0',
      'linux arm64 26.10.0',
      'linux x64 24.21.0',
      'linux x64 26.10.0',
      'win32 x64 26.10.0',
    ]);
  });

  test('names no registry, and has no `libc`, which npm 10 would remove', () => {
    for (const [path, { resolved, libc }] of foreign) {
      assert.equal(resolved, undefined, path);
      assert.equal(libc, undefined, path);
    }
  });
});

function read(file: string): Lock {
  return JSON.parse(readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')) as Lock;
}

function foreignIn({ packages }: Lock): readonly [string, Locked][] {
  return Object.entries(packages).filter(
    ([path, { link }]) => path.includes('node_modules/') && link !== true,
  );
}
