/** `malla policy`: who may do what in the tailnet. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Client } from '@malla/api/v1/client';
import type { PolicyProblem, PolicyVersion } from '@malla/api/v1/policy-schemas';
import { reasonOf } from '@malla/platform/denied';
import { parseAddress } from '@malla/ip/address';
import { count as inRange, id, invalid, MallaCommand, option } from '../command.ts';
import { CommandError, UsageError } from '../failure.ts';
import { action, type Cli, type Invocation } from '../invocation.ts';
import { printable } from '../output/table.ts';
import { formatTime } from '../output/time.ts';
import { unifiedDiff } from '../output/unified-diff.ts';
import { type OfflinePolicy, openOffline } from './policy-offline.ts';
import {
  formatChanges,
  formatPolicyProblem,
  testsFailed,
  warningsOf,
  withPlaces,
} from './policy-text.ts';

interface FromFile {
  readonly file?: string;
}

interface Bypass {
  readonly bypassServerAndAccessDatabaseDirectly?: true;
  readonly bypassGrpcAndAccessDatabaseDirectly?: true;
}

/** The file may stand alone or behind its flag: people write it both ways. */
function takesFile(command: MallaCommand): MallaCommand {
  return command
    .argument('[FILE]', 'HuJSON file with the policy')
    .addOption(new Option('-f, --file <FILE>', 'the same as a flag'));
}

const PROTOCOLS = ['tcp', 'udp', 'icmp', 'ipv6-icmp', 'sctp'] as const;

/** The group. */
export function policyCommand(cli: Cli): MallaCommand {
  const policy = new MallaCommand('policy').description('Manage the policy');

  bypassable(policy.command('get'))
    .aliases(['show', 'view', 'fetch'])
    .summary('Print the policy that is in force')
    .description('Print the text of the policy that is in force, whatever --output says.')
    .action(
      action<Bypass>(cli, async (it) => {
        const answer = await withPolicy(it, {
          server: async (client) => {
            const { warnings } = await client.policyStatus();
            for (const warning of warnings) {
              cli.terminal.err.write(`Warning: ${printable(warning)}\n`);
            }
            return client.getPolicy();
          },
          offline: (offline) => offline.get(),
        });
        // In whatever format is asked for: it is HuJSON, as it was set.
        cli.terminal.out.write(`${answer.policy.replace(/\n$/, '')}\n`);
      }),
    );

  takesFile(bypassable(policy.command('set')))
    .aliases(['put', 'update'])
    .description('Put another policy in force; its tests are run first')
    .action(
      action<FromFile & Bypass>(cli, async (it, operand: string | undefined) => {
        const from = await mustRead(it, operand);
        // The server takes it for a wish to have no policy; in a file it is an accident.
        if (from.text.trim() === '') {
          throw new CommandError(
            `${from.name}: the policy is empty (to allow everything write {}, to allow nothing {"acls": []}; to have no policy run malla policy unset)`,
          );
        }
        const answer = await explained(it, from.name, () =>
          withPolicy(it, {
            server: (client) => client.setPolicy({ policy: from.text }),
            offline: (offline) => offline.set(from.text),
          }),
        );
        warn(it, answer.warnings, from.name);
        await it.print(answer, 'Policy updated.');
      }),
    );

  bypassable(policy.command('unset'))
    .summary('Go back to no policy')
    .description(
      'Go back to no policy: from then on policy.default holds. `malla policy preview --unset` shows what that would change, and `malla policy rollback` takes it back.',
    )
    .action(
      action<Bypass>(cli, async (it) => {
        const answer = await withPolicy(it, {
          server: (client) => client.unsetPolicy(),
          offline: (offline) => offline.unset(),
        });
        await it.print(answer, `No policy is set: ${DEFAULT_WORDS[answer.default]}.`);
      }),
    );

  takesFile(bypassable(policy.command('check')))
    .description('Check a policy and run its tests, and change nothing')
    .action(
      action<FromFile & Bypass>(cli, async (it, operand: string | undefined) => {
        const from = await mustRead(it, operand);
        const answer = await explained(it, from.name, () =>
          withPolicy(it, {
            server: (client) => client.checkPolicy({ policy: from.text }),
            offline: (offline) => offline.check(from.text),
          }),
        );
        warn(it, answer.warnings, from.name);
        await it.print(answer, 'Policy is valid');
      }),
    );

  takesFile(policy.command('test'))
    .description('Run the tests of the policy in force, or of another')
    .action(
      action<FromFile>(cli, async (it, operand: string | undefined) => {
        const from = await readIfGiven(it, operand);
        const client = await it.connect();
        const answer = await explained(it, from?.name, () =>
          client.testPolicy({ policy: from?.text }),
        );
        const { tests, failures } = answer;
        warn(it, answer.warnings, from?.name);
        if (failures.length === 0 || it.options.output !== undefined) {
          await it.print(answer, tests === 1 ? '1 test passes' : `${tests} tests pass`);
        }
        if (failures.length > 0) throw testsFailed(failures, from?.name);
      }),
    );

  takesFile(policy.command('preview'))
    .summary('Show what would change for whom')
    .description(
      'Show what would change for whom: which peers, ports, routes, SSH logins and attributes nodes gain and lose.',
    )
    .option('--unset', 'show what would change if no policy were set')
    .action(
      action<FromFile & { readonly unset?: true }>(cli, async (it, operand: string | undefined) => {
        const isUnset = it.options.unset === true;
        const from = isUnset ? await readIfGiven(it, operand) : await mustRead(it, operand);
        if (isUnset && from !== undefined) throw new UsageError('--unset goes with no file');
        const client = await it.connect();
        const answer = await explained(it, from?.name, () =>
          client.comparePolicy(from === undefined ? { unset: true } : { policy: from.text }),
        );
        warn(it, answer.warnings, from?.name);
        await it.print(answer, formatChanges(answer.changes, answer.omitted));
      }),
    );

  policy
    .command('explain')
    .summary('Explain why something may reach something, or may not')
    .description(
      `Explain why something may reach something, or may not, and by which rule.

  malla policy explain laptop db:5432
  malla policy explain ann@example.com tag:web:443
  malla policy explain laptop 10.0.0.7:53 --proto udp
  malla policy explain laptop server --ssh root

Both are the name of a node, an address, or what a policy names; the port may be left out.`,
    )
    .argument('<SRC>', 'who')
    .argument('<DST:PORT>', 'what')
    .addOption(
      option('--proto <PROTOCOL>', 'tcp, udp, icmp, ipv6-icmp, sctp or a number', protocol).default(
        'tcp',
      ),
    )
    .option('--ssh <USER>', 'explain a Tailscale SSH session as this user')
    .addOption(new Option('-f, --file <FILE>', 'by the policy of this file'))
    .action(
      action<FromFile & Explain>(cli, async (it, source: string, target: string) => {
        const from = await readIfGiven(it, undefined);
        const client = await it.connect();
        const { destination, port } = destinationOf(target);
        const { proto, ssh: sshUser } = it.options;
        const answer = await explained(it, from?.name, () =>
          client.explainPolicy({
            source,
            destination,
            port,
            protocol: proto,
            sshUser,
            policy: from?.text,
          }),
        );
        await it.print(answer, answer.text);
      }),
    );

  policy
    .command('history')
    .aliases(['log'])
    .description('List the versions of the policy, newest first')
    .addOption(option('-l, --limit <NUMBER>', 'how many', inRange(1, 1_000)).default(100))
    .action(
      action<{ readonly limit: number }>(cli, async (it) => {
        const client = await it.connect();
        const [{ versions }, { version: current }] = await Promise.all([
          client.listPolicyVersions({ limit: String(it.options.limit) }),
          client.policyStatus(),
        ]);
        await it.printList(versions, () => ({
          header: ['ID', 'Created', 'Author', 'Source', 'In force'],
          rows: versions.map((version) => [
            version.id,
            formatTime(version.createdAt),
            version.author,
            version.source,
            version.id === current?.id ? { text: 'yes', color: 'green' } : '',
          ]),
        }));
      }),
    );

  policy
    .command('diff')
    .description('Show the difference of two versions of the policy')
    .argument('<A>', 'number of a version')
    .argument('[B]', 'number of another; left out: the version that is in force')
    .action(
      action(cli, async (it, a: string, b: string | undefined) => {
        const [idA, idB] = [id(a, 'A'), b === undefined ? undefined : id(b, 'B')];
        const client = await it.connect();
        const before = await versionOf(client, idA);
        const after = await versionOf(client, idB ?? (await currentId(client)));
        const diff = unifiedDiff(named(before), named(after));
        if (it.options.output !== undefined) await it.print({ diff }, '');
        else cli.terminal.out.write(diff === '' ? 'Both versions are the same.\n' : diff);
      }),
    );

  policy
    .command('rollback')
    .summary('Put an earlier version in force again')
    .description(
      'Put an earlier version in force again, as a new version; its tests are run first.',
    )
    .argument('<ID>', 'number of the version')
    .action(
      action(cli, async (it, number: string) => {
        const version = id(number, 'ID');
        const client = await it.connect();
        const name = `version-${version}`;
        const answer = await explained(it, name, () => client.rollbackPolicy({ id: version }));
        warn(it, answer.warnings, name);
        await it.print(answer, `Version ${version} of the policy is in force again`);
      }),
    );

  return policy;
}

interface Explain {
  readonly proto: (typeof PROTOCOLS)[number] | number;
  readonly ssh?: string;
}

/** headscale 0.30's name of the flag, and 0.29's. */
function bypassable(command: MallaCommand): MallaCommand {
  return command
    .option(
      '--bypass-server-and-access-database-directly',
      'open the database of the configuration; no server may be running',
    )
    .addOption(new Option('--bypass-grpc-and-access-database-directly').hideHelp());
}

/** Asks the server, or the database. */
async function withPolicy<T>(
  it: Invocation<Bypass>,
  ways: {
    readonly server: (client: Client) => Promise<T>;
    readonly offline: (policy: OfflinePolicy) => Promise<T>;
  },
): Promise<T> {
  const { bypassServerAndAccessDatabaseDirectly, bypassGrpcAndAccessDatabaseDirectly } = it.options;
  const isOffline = bypassServerAndAccessDatabaseDirectly ?? bypassGrpcAndAccessDatabaseDirectly;
  if (isOffline !== true) return ways.server(await it.connect());
  const question =
    'DO NOT run this command if an instance of malla is running, are you sure malla is not running?';
  if (!(await it.confirm(question))) throw new CommandError('command aborted by user');
  const offline = await openOffline(it.options, it.cli);
  try {
    return await ways.offline(offline);
  } finally {
    await offline.close();
  }
}

/** A text and the name of its file. */
interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

async function mustRead(
  it: Invocation<FromFile>,
  operand: string | undefined,
): Promise<PolicyFile> {
  const from = await readIfGiven(it, operand);
  if (from === undefined)
    throw new UsageError(
      'required flag(s) "file" not set: name the file of the policy, as in -f policy.hujson',
    );
  return from;
}

async function readIfGiven(
  it: Invocation<FromFile>,
  operand: string | undefined,
): Promise<PolicyFile | undefined> {
  const { file: flag } = it.options;
  if (flag !== undefined && operand !== undefined && flag !== operand) {
    throw new UsageError(`two files are given: "${operand}" and --file "${flag}"`);
  }
  const name = flag ?? operand;
  if (name === undefined) return undefined;
  const path = resolve(it.cli.cwd, name);
  try {
    return { name, text: readFileSync(path, 'utf8') };
  } catch (error) {
    const why = reasonOf(error, path, 'read');
    throw new CommandError(`reading policy file: ${why}: ${name}`, { cause: error });
  }
}

/** Says what in a policy has no effect; programs find it in the answer. */
function warn(
  it: Invocation,
  warnings: readonly PolicyProblem[] | undefined,
  name: string | undefined,
): void {
  if (it.options.output !== undefined) return;
  for (const warning of warnings ?? []) {
    it.cli.terminal.err.write(`Warning: ${printable(formatPolicyProblem(name, warning))}\n`);
  }
}

const DEFAULT_WORDS = {
  'same-user':
    'devices of one user see each other, and nobody else does (policy.default: same-user)',
  'allow-all': 'everybody sees everybody (policy.default: allow-all)',
} as const;

/** Runs a call, and says where in the file the problems are that the server finds, and what it warns of. */
async function explained<T>(
  it: Invocation,
  name: string | undefined,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    warn(it, warningsOf(error), name);
    throw withPlaces(error, name);
  }
}

type Version = Awaited<ReturnType<Client['getPolicyVersion']>>;

function versionOf(client: Client, version: string): Promise<Version> {
  return client.getPolicyVersion({ id: version });
}

async function currentId(client: Client): Promise<string> {
  const { version } = await client.policyStatus();
  if (version === null) throw new CommandError('no version of the policy is in force');
  return version.id;
}

function named({ version, policy: text }: Version): { name: string; text: string } {
  return { name: headOf(version), text };
}

/** As diff names a file: name, tab, time. */
function headOf({ id: number, author, createdAt }: PolicyVersion): string {
  return `version ${number} (${author})\t${createdAt}`;
}

function protocol(value: string, flags: string): (typeof PROTOCOLS)[number] | number {
  const known = PROTOCOLS.find((name) => name === value.toLowerCase());
  const number = /^\d{1,3}$/.test(value) ? Number(value) : 256;
  if (known !== undefined) return known;
  if (number < 256) return number;
  throw invalid(value, flags, `expected ${PROTOCOLS.join(', ')} or 0 to 255`);
}

/** `db:5432`, `[fd7a::1]:22`, `tag:web:443`; without a port `db`, `fd7a::1`, `tag:web`. */
export function destinationOf(target: string): {
  readonly destination: string;
  readonly port: number | undefined;
} {
  const address = parseAddress(target);
  const isWhole = address.ok && address.value.family === 6;
  const [, host = target, portText] = isWhole ? [] : (/^(.+):(\d{1,5}|\*)$/.exec(target) ?? []);
  const destination = host.replace(/^\[(.*)\]$/, '$1');
  if (portText === undefined || portText === '*') return { destination, port: undefined };
  const port = Number(portText);
  if (port > 65_535) throw new UsageError(`"${target}" has no port from 0 to 65535`);
  return { destination, port };
}
