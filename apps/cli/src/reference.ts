/** The command line's reference, docs/reference/cli.md, from the tree of commands. */
import { type CommandEntry, type FlagEntry, flatten } from './completion/tree.ts';

const HEAD = `# Command line

Generated from the tree of commands in \`apps/cli/src\` by \`scripts/generate-cli-reference.ts\`.

\`malla\` is the server and its administration in one program; \`bin/malla\` in a checkout. Commands, aliases, flags,
columns, messages and exit codes are headscale's. Exit codes are 0 for success and 1 for anything else. What went wrong is
on stderr, after \`Error: \`, or as \`{"error": …}\` with \`-o\`; below a wrong command line stands how the command is used.

## Which server

Without more said, commands talk to the server of this machine over its unix socket (\`unix_socket\`), which needs no key:
who may open the socket may do everything. A server that is just starting is waited for, up to \`cli.timeout\` (5s).

For a server elsewhere set \`MALLA_CLI_ADDRESS\` (a URL; a bare host is reached over HTTPS) and \`MALLA_CLI_API_KEY\` (made
there by \`malla apikeys create\`), or \`cli.address\` and \`cli.api_key\` in the configuration. \`MALLA_CLI_INSECURE=true\` skips
the check of its certificate. \`HEADSCALE_CLI_…\` works as well.

## Output

Tables are for people: times are local, expirations green or red on a terminal (not with \`NO_COLOR\`). \`-o json\` (indented
by tabs), \`-o json-line\` and \`-o yaml\` are for programs. Users, nodes and keys have each member under the REST API's name
(\`givenName\`, \`createdAt\`) and under the one of headscale's releases (\`given_name\`, \`created_at\`), where times are
\`{"seconds": …, "nanos": …}\` and \`register_method\` is a number. Where both have one name it is as in the releases: \`id\` is a
number, \`expiry\` and \`expiration\` are times in seconds, and absent where there is none (docs/decisions/0032).

Questions are asked on stderr and answered with \`y\`, \`yes\` or \`sure\`; \`--force\` answers them. A pipe may answer within two
seconds (\`echo y | malla …\`). Where nobody answers, as in a script or \`docker exec\` without \`-i\`, nothing is done and the exit code is 1.

Durations are \`30m\`, \`24h\`, \`90d\`. Flags may stand anywhere and be written \`-i 7\`, \`-i7\`, \`-i=7\`, \`--identifier 7\` or
\`--identifier=7\`; lists are separated by commas, or the flag is repeated.

## What differs from headscale

- \`users destroy NAME\` takes the name without a flag; the user's devices go with it (docs/decisions/0002), and the question counts them.
- \`users rename --name\` works; no match is \`no user matches query\`, not \`multiple users match\`.
- Errors begin with what is wrong, not with \`unexpected response status:\`; without an answer to its question a command fails.
- \`nodes register --key\` and \`auth … --auth-id\` take the address of the login page as well as the id that it shows.
- \`preauthkeys create --tags\` refuses tags that the policy does not define, as \`nodes tag\` does.
- \`nodes register\` prints \`Node registered\`; \`auth register\` prints \`Node NAME registered\`.
- \`nodes list-routes -i\` with an unknown id is an error, not the list of all nodes.
- \`preauthkeys create --user\` takes a name as well as an id; \`preauthkeys list --user\` is as before 0.28.
- What headscale had once (\`routes\`, \`namespaces\`, \`nodes move\`, \`preauthkeys expire --user\`) is an error that says what does it now.
- \`--expiration 0\` is an error: such a key would have expired before it is printed.
- \`-o json\` has what is false, zero or empty too, and \`tags\` as \`forced_tags\` as well; \`-o yaml\` has the same names, not \`givenname\`.
- \`version -o json\` has \`node\` where headscale has \`go\`.
- Operands that a command has no use for, and unknown commands in a group, are errors.
- \`policy set --bypass-server-and-access-database-directly\` runs the policy's tests too, and refuses where a server runs.
- Ours: \`serve\` with flags, \`db\`, \`relay\`, \`dns\`, \`debug c2n\`, \`debug via\`;
  \`policy unset\`, \`test\`, \`preview\`, \`explain\`, \`history\`, \`diff\`, \`rollback\`. Not here yet: \`oauth-clients\`.
`;

/** The whole document. */
export function renderCliReference(root: CommandEntry): string {
  const [, ...commands] = flatten(root);
  const sections = [`## Flags of every command\n\n${flagList(root.flags)}`, '## Commands'];
  return `${[HEAD.trimEnd(), ...sections, ...commands.map(commandSection)].join('\n\n')}\n`;
}

function commandSection(entry: CommandEntry): string {
  const usage = [entry.path, entry.arguments.replaceAll(/[<>]/g, '')].join(' ').trimEnd();
  const level = '##'.padEnd(1 + entry.path.split(' ').length, '#');
  const also = entry.aliases.map((alias) => `\`${alias}\``).join(', ');
  const examples = entry.description.match(/(?:^ {2}.*$\n?)+/m)?.[0] ?? '';
  const sentences = entry.description
    .replace(examples, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
    .replace(/([^.])$/, '$1.');
  const text =
    examples === ''
      ? sentences
      : `${sentences}\n\n\`\`\`\n${examples.replaceAll(/^ {2}/gm, '')}\n\`\`\``;
  const parts = [`${level} \`${usage}\``, text];
  if (also !== '') parts.push(`Also ${also}.`);
  if (entry.flags.length > 0) parts.push(flagList(entry.flags));
  return parts.join('\n\n');
}

function flagList(flags: readonly FlagEntry[]): string {
  return flags.map(flagLine).join('\n');
}

function flagLine({ short, long, value, description, fallback, choices }: FlagEntry): string {
  const spelling = short === undefined ? long : `${short}, ${long}`;
  const remarks = [
    ...(choices.length > 0 ? [choices.join(', ')] : []),
    ...(fallback === undefined ? [] : [`default ${fallback}`]),
  ];
  const remark = remarks.length === 0 ? '' : ` (${remarks.join('; ')})`;
  return `- \`${spelling}${value === undefined ? '' : ` <${value}>`}\`: ${description}${remark}`;
}
