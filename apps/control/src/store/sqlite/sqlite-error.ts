/** What goes wrong with a database file, in words that an operator can act on. */
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, MallaError, messageOf } from '@malla/base/error';

/** Primary result codes of SQLite, https://sqlite.org/rescode.html. */
const SqliteCode = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const;

/** The refusal that stands for an error of SQLite or of the file system. A MallaError stays as it is. */
export function storeError(error: unknown, path: string): MallaError {
  if (error instanceof MallaError) return error;
  const [code, message] = explain(error, path);
  return new MallaError(code, message, { cause: error });
}

function explain(error: unknown, path: string): readonly [ErrorCode, string] {
  const said = messageOf(error);
  switch (resultCode(error)) {
    case SqliteCode.busy:
    case SqliteCode.locked:
      return ['store.locked', `database ${path} is locked by another process`];
    case SqliteCode.full:
      return ['store.unavailable', `no space left for database ${path}`];
    case SqliteCode.readOnly:
      return ['store.unavailable', `database ${path} cannot be written: ${obstacle(path) ?? said}`];
    case SqliteCode.ioError:
      return ['store.unavailable', `the disk of database ${path} failed: ${said}`];
    case SqliteCode.cannotOpen:
      return ['store.unavailable', `cannot open database ${path}: ${obstacle(path) ?? said}`];
    case SqliteCode.corrupt:
    case SqliteCode.notADatabase:
      return [
        'store.corrupt',
        `database ${path} is damaged (${said}): restore a backup with malla db restore`,
      ];
    case SqliteCode.constraint:
      return ['internal', `database ${path} refused a change: ${said}`];
    default:
      return ['store.unavailable', `database ${path}: ${said}`];
  }
}

const OBSTACLES: Readonly<Record<string, string>> = {
  EROFS: 'its file system is read-only',
  EACCES: 'the user that malla runs as may not write there',
  ENOENT: 'there is no such file or folder',
};

/** What is in the way, of which SQLite says nothing: undefined where the system finds nothing either. */
function obstacle(path: string): string | undefined {
  for (const [place, access] of [
    [path, constants.R_OK | constants.W_OK],
    // For its log and its journal.
    [dirname(path), constants.W_OK | constants.X_OK],
  ] as const) {
    try {
      accessSync(place, access);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      return OBSTACLES[code] ?? messageOf(error);
    }
  }
  return undefined;
}

/** The primary code, 0 where SQLite is not the cause; extended ones have more in their upper bytes. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}
