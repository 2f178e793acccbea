/** What the machine's own files say of users: their names and groups, for messages to people. */
import { readFileSync } from 'node:fs';

/** Undefined where there is no name. */
export function userName(uid: number): string | undefined {
  return entriesOf('/etc/passwd').find(([, , id]) => id === String(uid))?.[0];
}

/** The ids of a user's groups, the own one first; none where the user is not known. */
export function groupsOf(uid: number): readonly number[] {
  const [name, , , own] = entriesOf('/etc/passwd').find(([, , id]) => id === String(uid)) ?? [];
  if (name === undefined) return [];
  const others = entriesOf('/etc/group').filter(([, , , members = '']) =>
    members.split(',').includes(name),
  );
  return [own, ...others.map(([, , id]) => id)].map(Number);
}

function entriesOf(file: string): readonly (readonly string[])[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return []; // numbers do too
  }
}
