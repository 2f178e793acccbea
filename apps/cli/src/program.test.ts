import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaCommand } from './command.ts';
import { flatten, readTree } from './completion/tree.ts';
import { createProgram, GROUPS } from './program.ts';
import { runMalla, silentCli } from './testing/cli.ts';

/** headscale's commands, aliases and flags (its command line, 0.30), and below them our own. */
const COMMANDS: Readonly<
  Record<string, { readonly aliases?: readonly string[]; readonly flags?: string }>
> = {
  malla: { flags: '-c/--config -o/--output --force --debug' },
  'malla serve': { flags: '--url --listen --data-dir --first-run' },
  'malla configtest': {},
  'malla version': {},
  'malla health': {},
  'malla generate': { aliases: ['gen'] },
  'malla generate private-key': {},
  'malla completion': {},
  'malla users': { aliases: ['user'] },
  'malla users create': {
    aliases: ['c', 'new'],
    flags: '-d/--display-name -e/--email -p/--picture-url',
  },
  'malla users list': { aliases: ['ls', 'show'], flags: '-i/--identifier -n/--name -e/--email' },
  'malla users destroy': { aliases: ['delete'], flags: '-i/--identifier -n/--name' },
  'malla users rename': { aliases: ['mv'], flags: '-i/--identifier -n/--name -r/--new-name' },
  'malla nodes': { aliases: ['node'] },
  'malla nodes list': { aliases: ['ls', 'show'], flags: '-u/--user' },
  'malla nodes list-routes': { aliases: ['lsr', 'routes'], flags: '-i/--identifier' },
  'malla nodes register': { flags: '-u/--user -k/--key' },
  'malla nodes expire': {
    aliases: ['logout', 'exp', 'e'],
    flags: '-i/--identifier -e/--expiry -d/--disable',
  },
  'malla nodes rename': { flags: '-i/--identifier' },
  'malla nodes delete': { aliases: ['del'], flags: '-i/--identifier' },
  'malla nodes tag': { aliases: ['tags', 't'], flags: '-i/--identifier -t/--tags' },
  'malla nodes approve-routes': { flags: '-i/--identifier -r/--routes' },
  'malla nodes backfillips': {},
  'malla preauthkeys': { aliases: ['preauthkey', 'authkey', 'pre'] },
  'malla preauthkeys list': { aliases: ['ls', 'show'], flags: '-u/--user' },
  'malla preauthkeys create': {
    aliases: ['c', 'new'],
    flags: '--reusable --ephemeral -e/--expiration --tags -u/--user',
  },
  'malla preauthkeys expire': { aliases: ['revoke', 'exp', 'e'], flags: '-i/--id' },
  'malla preauthkeys delete': { aliases: ['del', 'rm', 'd'], flags: '-i/--id' },
  'malla apikeys': { aliases: ['apikey', 'api'] },
  'malla apikeys list': { aliases: ['ls', 'show'] },
  'malla apikeys create': { aliases: ['c', 'new'], flags: '-e/--expiration' },
  'malla apikeys expire': { aliases: ['revoke', 'exp', 'e'], flags: '-p/--prefix -i/--id' },
  'malla apikeys delete': { aliases: ['remove', 'del'], flags: '-p/--prefix -i/--id' },
  'malla auth': {},
  'malla auth register': { flags: '-u/--user --auth-id' },
  'malla auth approve': { flags: '--auth-id' },
  'malla auth reject': { flags: '--auth-id' },
  'malla policy': {},
  'malla policy get': {
    aliases: ['show', 'view', 'fetch'],
    flags: '--bypass-server-and-access-database-directly',
  },
  'malla policy set': {
    aliases: ['put', 'update'],
    flags: '--bypass-server-and-access-database-directly -f/--file',
  },
  'malla policy unset': { flags: '--bypass-server-and-access-database-directly' },
  'malla policy check': { flags: '--bypass-server-and-access-database-directly -f/--file' },
  'malla policy test': { flags: '-f/--file' },
  'malla policy preview': { flags: '-f/--file --unset' },
  'malla policy explain': { flags: '--proto --ssh -f/--file' },
  'malla policy history': { aliases: ['log'], flags: '-l/--limit' },
  'malla policy diff': {},
  'malla policy rollback': {},
  'malla dns': {},
  'malla dns records': { aliases: ['record'] },
  'malla dns records list': { aliases: ['ls', 'show'] },
  'malla dns records add': { aliases: ['create', 'new'], flags: '-t/--type' },
  'malla dns records remove': { aliases: ['rm', 'delete'], flags: '-t/--type -i/--id' },
  'malla debug': {},
  'malla debug create-node': { flags: '--name -u/--user -k/--key -r/--route' },
  'malla debug c2n': { flags: '-d/--data' },
  'malla debug via': {},
  'malla db': {},
  'malla db backup': {},
  'malla db restore': {},
  'malla db migrate': { flags: '--status' },
  'malla relay': {
    flags:
      '--hostname --listen --http-port --stun-port --no-stun --metrics --data-dir --cert --key ' +
      '--verify-client-url --verify-client-url-fail-open --bootstrap-dns-names --mesh-psk-file --mesh-with --max-clients --client-rate ' +
      '--client-burst --accept-connection-limit --accept-connection-burst --region-id --region-code --region-name ' +
      '--log-level --log-format',
  },
};

const tree = flatten(readTree(await createProgram(silentCli)));

describe('the command tree', () => {
  test('has each group by the names under which it is looked for', async () => {
    for (const { names, make } of GROUPS) {
      const made = await make(silentCli, new MallaCommand('malla'));
      assert.deepEqual([made.name(), ...made.aliases()], names);
    }
  });

  test('is the same for a command of which only its group is loaded', async () => {
    for (const { names } of GROUPS) {
      for (const name of names) {
        const alone = await runMalla([name, '--help']);
        const flagged = await runMalla([
          '--force',
          '-c',
          'x.yaml',
          '--output=json',
          name,
          '--help',
        ]);
        // All are loaded for this.
        const among = await runMalla(['help', name]);
        assert.match(alone.stdout, new RegExp(`^Usage: malla ${names[0]}`));
        assert.deepEqual([flagged, among], [alone, alone]);
      }
    }
  });

  test('has the commands, aliases and flags of the table and no others', () => {
    const found = Object.fromEntries(
      tree.map(({ path, aliases, flags }) => [
        path,
        {
          aliases,
          flags: flags.map(({ short, long }) => (short ? `${short}/${long}` : long)).join(' '),
        },
      ]),
    );
    const wanted = Object.fromEntries(
      Object.entries(COMMANDS).map(([path, { aliases = [], flags = '' }]) => [
        path,
        { aliases, flags },
      ]),
    );
    assert.deepEqual(found, wanted);
  });

  test('explains every command and flag, in one line for a list', () => {
    for (const { path, summary, flags } of tree) {
      assert.match(summary, /^\S.{3,78}$/, path);
      for (const { long, description } of flags)
        assert.notEqual(description, '', `${path} ${long}`);
    }
  });

  test('uses no letter of a global flag for another flag', () => {
    const [root, ...others] = tree;
    const taken = new Set(root?.flags.flatMap(({ short, long }) => [short, long]));
    for (const { path, flags } of others) {
      for (const { short, long } of flags) {
        assert.ok(short === undefined || !taken.has(short), `${path} ${short}`);
        assert.ok(!taken.has(long), `${path} ${long}`);
      }
    }
  });
});

describe('a command line that is wrong', () => {
  const WRONG: readonly (readonly [string, RegExp])[] = [
    ['users create', /^Error: missing parameters\nUsage: malla users create/],
    ['users list --nam x', /^Error: unknown flag: --nam \(Did you mean --name\?\)\n/],
    ['users lst', /^Error: unknown command "lst" for "malla users" \(Did you mean/],
    [
      'routes list',
      /^Error: unknown command "routes" for "malla" \(now malla nodes list-routes, and /,
    ],
    [
      'routes enable -r 1',
      /^Error: unknown command "routes" .* approve-routes -i ID -r PREFIXES\)\n/,
    ],
    ['ns create x', /^Error: unknown command "ns" for "malla" \(now malla users\)\n/],
    [
      'nodes move -i 1 -u 2',
      /^Error: unknown command "move" for "malla nodes" \(a device changes /,
    ],
    ['oauth create', /^Error: unknown command "oauth" for "malla" \(not here yet: /],
    ['nodes list -t', /^Error: unknown flag: -t \(tags are a column of the list\)\n/],
    ['preauthkeys create -n x', /^Error: unknown flag: -n \(now --user\)\n/],
    ['preauthkeys expire --user 1 x', /^Error: unknown flag: --user \(a key is named by -i ID/],
    ['frobnicate', /^Error: unknown command "frobnicate" for "malla"\n/],
    ['nodes register', /^Error: required flag\(s\) "key", "user" not set\n/],
    ['nodes expire', /^Error: required flag\(s\) "identifier" not set\n/],
    ['nodes expire -i', /^Error: flag needs an argument: -i, --identifier\n/],
    ['nodes expire -i x', /^Error: invalid argument "x" for "-i, --identifier" flag: expected a/],
    ['nodes expire -i 0', /^Error: invalid argument "0" for "-i, --identifier" flag/],
    ['policy diff 0 1', /^Error: invalid argument "0" for <A>: expected a positive number\n/],
    ['policy diff 1 x', /^Error: invalid argument "x" for <B>: expected/],
    ['policy rollback x', /^Error: invalid argument "x" for <ID>: expected/],
    ['nodes expire -i 1 -e soon', /^Error: parsing expiry time: "soon" is not like 2027-/],
    ['preauthkeys create -u 1 -e 0', /^Error: parsing duration: "0" is no time to live: /],
    ['apikeys create --expiration 0s', /^Error: parsing duration: "0s" is no time to live: /],
    ['preauthkeys create -e soon', /^Error: parsing duration: not a valid duration string: "soon"/],
    ['users list -o xml', /^Error: invalid argument "xml" for "-o, --output" flag: expected json/],
    ['users list extra', /^Error: too many arguments for 'list'/],
    ['relay', /^Error: required flag\(s\) "hostname" not set\n/],
    ['relay --hostname a --cert x', /^Error: --cert and --key go together\n$/],
    ['relay --hostname a --listen 1', /^Error: invalid argument "1" for "--listen" flag: expected/],
    ['relay --hostname a --stun-port x', /^Error: invalid argument "x" for "--stun-port" flag/],
    ['relay --hostname a --verify-client-url x', /^Error: invalid argument "x" for "--verify-c/],
    ['completion tcsh', /^Error: .*tcsh.*bash, zsh, fish, powershell/],
  ];

  for (const [line, message] of WRONG) {
    test(`malla ${line}: says what is wrong, asks the server nothing and exits with 1`, async () => {
      const { code, stdout, stderr, requests } = await runMalla(line.split(' '));
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 1);
      assert.deepEqual(requests, []);
    });
  }

  test('is reported in the format asked for', async () => {
    const { code, stderr } = await runMalla(['users', 'create', '-o', 'json-line']);
    assert.equal(stderr, '{"error":"missing parameters"}\n');
    assert.equal(code, 1);
  });
});

describe('help', () => {
  for (const line of ['', 'users', '--help', 'users list --help', 'help nodes']) {
    test(`malla ${line}: goes to stdout and exits with 0`, async () => {
      const { code, stdout, stderr } = await runMalla(
        line.split(' ').filter((word) => word !== ''),
      );
      assert.match(stdout, /^Usage: malla/);
      assert.equal(stderr, '');
      assert.equal(code, 0);
    });
  }
});

describe('global flags', () => {
  const NONE = { users: [] };
  const USERS = { answers: { 'GET /user': NONE, 'GET /user?name=ann': NONE } };

  for (const line of [
    '-o json-line users list',
    'users list -o json-line',
    'users -o json-line list',
    'users list -o=json-line',
    'users list --output=json-line',
    'user ls --force=false --output json-line',
    '--output json-line users --name ann list',
  ]) {
    test(`malla ${line}: are taken anywhere and in Go's spellings`, async () => {
      const { code, stdout, stderr } = await runMalla(line.split(' '), USERS);
      assert.deepEqual([code, stdout, stderr], [0, '[]\n', '']);
    });
  }
});
