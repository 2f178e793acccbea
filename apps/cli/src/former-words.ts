/**
 * Commands and flags that headscale had and has no more, or has and malla has not yet: guides and scripts
 * that still use them are told what does it now.
 */

const KEY_BY_ID = 'a key is named by -i ID, which malla preauthkeys list shows';
const OF_USER = 'now --user';

const COMMANDS: ReadonlyMap<string, string> = new Map([
  ...each(
    ['malla routes', 'malla route', 'malla r'],
    'now malla nodes list-routes, and malla nodes approve-routes -i ID -r PREFIXES',
  ),
  ...each(['malla namespaces', 'malla namespace', 'malla ns'], 'now malla users'),
  ...each(['malla machines', 'malla machine'], 'now malla nodes'),
  ...each(['malla acl', 'malla acls'], 'see malla policy'),
  ...each(
    ['malla oauth-clients', 'malla oauth-client', 'malla oauth'],
    'not here yet: programs use the keys of malla apikeys',
  ),
  ...each(
    ['malla nodes move', 'malla nodes mv'],
    'a device changes its user by logging in anew, with tailscale up --force-reauth; then delete the node that it was',
  ),
]);

const FLAGS: ReadonlyMap<string, string> = new Map([
  ...each(
    ['preauthkeys create', 'preauthkeys list', 'nodes list', 'nodes register'].flatMap(
      (command) => [`malla ${command} --namespace`, `malla ${command} -n`],
    ),
    OF_USER,
  ),
  ...each(['malla nodes list --tags', 'malla nodes list -t'], 'tags are a column of the list'),
  ...each(
    ['expire', 'delete'].flatMap((command) =>
      ['--user', '-u', '--key', '-k'].map((flag) => `malla preauthkeys ${command} ${flag}`),
    ),
    KEY_BY_ID,
  ),
]);

/** What takes the place of a command below another (`malla nodes`, `move`), if there was such a one. */
export function formerCommand(parent: string, name: string): string | undefined {
  return COMMANDS.get(`${parent} ${name}`);
}

/** What takes the place of a flag of a command, if there was such a one. */
export function formerFlag(command: string, flag: string): string | undefined {
  return FLAGS.get(`${command} ${flag}`);
}

function each(words: readonly string[], now: string): readonly (readonly [string, string])[] {
  return words.map((word) => [word, now]);
}
