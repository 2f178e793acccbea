/** `malla policy`: who may do what in the tailnet. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Client } from '@malla/api/client';
import type { PolicyVersion } from '@malla/api/policy-schemas';
import { messageOf } from '@malla/base/error';
import { count as inRange, id, MallaCommand, option, required } from '../command.ts';
import { CommandError, UsageError } from '../failure.ts';
import { action, type Cli, type Invocation } from '../invocation.ts';
import { printable } from '../output/table.ts';
import { formatTime } from '../output/time.ts';
import { unifiedDiff } from '../output/unified-diff.ts';
import { type OfflinePolicy, openOffline } from './policy-offline.ts';
import { formatChanges, testsFailed, withPlaces } from './policy-text.ts';

interface FromFile {
  readonly file: string;
}

interface Bypass {
  readonly bypassServerAndAccessDatabaseDirectly?: true;
  readonly bypassGrpcAndAccessDatabaseDirectly?: true;
}

const file = () => new Option('-f, --file <FILE>', 'HuJSON file with the policy');

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

  bypassable(policy.command('set'))
    .aliases(['put', 'update'])
    .description('Put another policy in force; its tests are run first')
    .addOption(required(file()))
    .action(
      action<FromFile & Bypass>(cli, async (it) => {
        const text = await read(it);
        const answer = await explained(it, () =>
          withPolicy(it, {
            server: (client) => client.setPolicy({ policy: text }),
            offline: (offline) => offline.set(text),
          }),
        );
        await it.print(answer, 'Policy updated.');
      }),
    );

  bypassable(policy.command('check'))
    .description('Check a policy and run its tests, and change nothing')
    .addOption(required(file()))
    .action(
      action<FromFile & Bypass>(cli, async (it) => {
        const text = await read(it);
        const answer = await explained(it, () =>
          withPolicy(it, {
            server: (client) => client.checkPolicy({ policy: text }),
            offline: (offline) => offline.check(text),
          }),
        );
        await it.print(answer, 'Policy is valid');
      }),
    );

  policy
    .command('test')
    .description('Run the tests of the policy in force, or of another')
    .addOption(file())
    .action(
      action<Partial<FromFile>>(cli, async (it) => {
        const text = await readIfGiven(it);
        const client = await it.connect();
        const answer = await explained(it, () => client.testPolicy({ policy: text }));
        const { tests, failures } = answer;
        if (failures.length === 0 || it.options.output !== undefined) {
          await it.print(answer, tests === 1 ? '1 test passes' : `${tests} tests pass`);
        }
        if (failures.length > 0) throw testsFailed(failures, it.options.file);
      }),
    );

  policy
    .command('preview')
    .summary('Show what would change for whom')
    .description(
      'Show what would change for whom: which peers, ports, routes, SSH logins and attributes nodes gain and lose.',
    )
    .addOption(required(file()))
    .action(
      action<FromFile>(cli, async (it) => {
        const text = await read(it);
        const client = await it.connect();
        const answer = await explained(it, () => client.comparePolicy({ policy: text }));
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
      action<Partial<FromFile> & Explain>(cli, async (it, source: string, target: string) => {
        const text = await readIfGiven(it);
        const client = await it.connect();
        const { destination, port } = destinationOf(target);
        const { proto, ssh: sshUser } = it.options;
        const answer = await explained(it, () =>
          client.explainPolicy({
            source,
            destination,
            port,
            protocol: proto,
            sshUser,
            policy: text,
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
        const client = await it.connect();
        const [before, after] = [
          await versionOf(client, id(a, 'A')),
          await versionOf(client, b === undefined ? await currentId(client) : id(b, 'B')),
        ];
        const diff = unifiedDiff(named(before), named(after));
        if (it.options.output !== undefined) await it.print({ diff }, '');
        else cli.terminal.out.write(diff);
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
        const client = await it.connect();
        const version = id(number, 'ID');
        const answer = await explained(
          it,
          () => client.rollbackPolicy({ id: version }),
          `version-${version}`,
        );
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

async function read(it: Invocation<FromFile>): Promise<string> {
  const path = it.options.file;
  try {
    return await readFile(resolve(it.cli.cwd, path), 'utf8');
  } catch (error) {
    throw new CommandError(`reading policy file: ${messageOf(error)}`, { cause: error });
  }
}

async function readIfGiven(it: Invocation<Partial<FromFile>>): Promise<string | undefined> {
  const { file: path } = it.options;
  return path === undefined ? undefined : read(it as Invocation<FromFile>);
}

/** Runs a call, and says where in the file the problems are that the server finds. */
async function explained<T>(
  it: Invocation<Partial<FromFile>>,
  call: () => Promise<T>,
  name: string | undefined = it.options.file,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
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
  throw new UsageError(
    `invalid argument "${value}" for "${flags}" flag: expected ${PROTOCOLS.join(', ')} or 0 to 255`,
  );
}

/** `db:5432`, `[fd7a::1]:22`, `tag:web:443`; without a port `db`, `fd7a::1`, `tag:web`. */
export function destinationOf(target: string): {
  readonly destination: string;
  readonly port: number | undefined;
} {
  const [, host = target, portText] =
    isIP(target) === 6 ? [] : (/^(.+):(\d{1,5}|\*)$/.exec(target) ?? []);
  const destination = host.replace(/^\[(.*)\]$/, '$1');
  if (portText === undefined || portText === '*') return { destination, port: undefined };
  const port = Number(portText);
  if (port > 65_535) throw new UsageError(`"${target}" has no port from 0 to 65535`);
  return { destination, port };
}
