/** What goes wrong with a database file, in words that an operator can act on. */
import { existsSync } from 'node:fs';
import { MallaError, messageOf } from '@malla/base/error';
import type { ErrorCode } from '@malla/base/error-codes';
import { whyDenied } from '@malla/platform/denied';

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
      return ['store.unavailable', `database ${path} cannot be written: ${denial(path) ?? said}`];
    case SqliteCode.ioError:
      return ['store.unavailable', `the disk of database ${path} failed: ${said}`];
    case SqliteCode.cannotOpen:
      return ['store.unavailable', `cannot open database ${path}: ${denial(path) ?? said}`];
    case SqliteCode.corrupt:
    case SqliteCode.notADatabase:
      return [
        'store.corrupt',
        `database ${path} is damaged (${said}): restore a backup with malla db restore`,
      ];
    case SqliteCode.constraint:
      return ['internal', `database ${path} refused a change: ${said}`];
    default:
      return ['store.unavailable', `database ${path}: ${denialIn(error) ?? said}`];
  }
}

/** What is in the way of the database, the files beside it and their folder, of which SQLite says nothing. */
function denial(path: string): string | undefined {
  for (const suffix of ['', '-wal', '-shm', '-journal', '.lock']) {
    const why = whyDenied(path + suffix, 'replace');
    if (why !== undefined) return why;
  }
  return existsSync(path) ? undefined : 'there is no such file or folder';
}

/** The same of the file that the system's error is about, which may be a copy elsewhere. */
function denialIn(error: unknown): string | undefined {
  const isOfFile = error instanceof Error && 'path' in error && typeof error.path === 'string';
  return isOfFile ? whyDenied(error.path as string, 'replace') : undefined;
}

/** The primary code, 0 where SQLite is not the cause; extended ones have more in their upper bytes. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}
