/**
 * Finds the configuration file: the one that was named, else the one that an environment variable
 * names, else the first that exists in the usual places, ours before headscale's.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { fail, ok, type Result } from '@malla/base/result';
import { NO_SUCH_FILE, reasonOf } from '@malla/platform/denied';
import type { ConfigProblem } from './config.ts';
import { configFileVariable, type Environment } from './environment.ts';

/** Reads a file as UTF-8; throws as `fs.readFileSync` does. */
export type ReadFile = (path: string) => string;

export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  /** As it was named, for messages. */
  readonly shown: string;
  readonly text: string;
  /** Lies in a folder of headscale's or was named to headscale: its defaults for paths hold. */
  readonly isHeadscales: boolean;
  /** Nobody named it: it was found where headscale looks for its own. */
  readonly isFallback: boolean;
}

const NAMES = ['config.yaml', 'config.json'];

/** Places to search, in order; `home` is left out when it is not known. */
export function searchPath(home: string | undefined): readonly string[] {
  const homes = (name: string): string[] =>
    home === undefined || home === '' ? [] : [join(home, name)];
  return ['/etc/malla', ...homes('.malla'), '.', '/etc/headscale', ...homes('.headscale')];
}

/** The file and its text; `undefined` when there is none and none was asked for. */
export function locateConfig(
  options: { readonly path?: string | undefined; readonly env: Environment; readonly cwd: string },
  readFile: ReadFile,
): Result<ConfigFile | undefined, ConfigProblem> {
  const variable = configFileVariable(options.env);
  const named = options.path ?? variable?.path;
  if (named !== undefined) {
    const byHeadscale = options.path === undefined && variable?.name === 'HEADSCALE_CONFIG';
    const path = resolve(options.cwd, named);
    try {
      const isHeadscales = byHeadscale || isHeadscaleDir(dirname(path));
      return ok({ path, shown: named, text: readFile(path), isHeadscales, isFallback: false });
    } catch (error) {
      return fail(unreadable(named, path, error));
    }
  }
  for (const dir of searchPath(options.env['HOME'])) {
    for (const name of NAMES) {
      const shown = join(dir, name);
      const path = resolve(options.cwd, shown);
      const isHeadscales = isHeadscaleDir(dir);
      try {
        return ok({ path, shown, text: readFile(path), isHeadscales, isFallback: isHeadscales });
      } catch (error) {
        if (!isAbsent(error)) return fail(unreadable(shown, path, error));
      }
    }
  }
  return ok(undefined);
}

function isHeadscaleDir(dir: string): boolean {
  return basename(dir) === 'headscale' || basename(dir) === '.headscale';
}

function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}

function unreadable(source: string, path: string, error: unknown): ConfigProblem {
  const why = isAbsent(error) ? NO_SUCH_FILE : reasonOf(error, path, 'read');
  const message = `cannot be read: ${why}`;
  return { source, line: undefined, key: undefined, message };
}
