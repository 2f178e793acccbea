/** `malla nodes`: the devices of the tailnet. */
import { Option } from 'commander';
import type { Client } from '@malla/api/v1/client';
import { ZERO_TIME_MS } from '@malla/base/zero-time';
import { id, list, MallaCommand, option, required, expiryTime } from '../command.ts';
import { CommandError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';
import { nodeTable, routeTable } from './node-tables.ts';

interface OneNode {
  readonly identifier: string;
}

const identifier = () => option('-i, --identifier <ID>', 'id of the node', id);

/** The group. */
export function nodesCommand(cli: Cli): MallaCommand {
  const nodes = new MallaCommand('nodes').alias('node').description('Manage nodes');

  nodes
    .command('list')
    .aliases(['ls', 'show'])
    .description('List nodes')
    .option('-u, --user <NAME>', 'only nodes of this user')
    .action(
      action<{ readonly user?: string }>(cli, async (it) => {
        const client = await it.connect();
        const { nodes: found } = await client.listNodes({ user: it.options.user });
        await it.printList(found.map(inBothSpellings), () => nodeTable(found, cli.now()));
      }),
    );

  nodes
    .command('list-routes')
    .aliases(['lsr', 'routes'])
    .description('List the routes that nodes offer')
    .addOption(option('-i, --identifier <ID>', 'only those of the node with this id', id))
    .action(
      action<Partial<OneNode>>(cli, async (it) => {
        const wanted = it.options.identifier;
        const client = await it.connect();
        const { nodes: all } = await client.listNodes();
        const asked = wanted === undefined ? all : all.filter((node) => node.id === wanted);
        if (wanted !== undefined && asked.length === 0) {
          throw new CommandError(
            `node not found: there is none with the id ${wanted} (malla nodes list)`,
          );
        }
        const found = asked.filter(
          ({ approvedRoutes, availableRoutes, subnetRoutes }) =>
            approvedRoutes.length + availableRoutes.length + subnetRoutes.length > 0,
        );
        await it.printList(found.map(inBothSpellings), () => routeTable(found));
      }),
    );

  nodes
    .command('register')
    .description('Register a device that waits, as its login page says')
    .addOption(required(new Option('-u, --user <NAME>', 'who owns it')))
    .addOption(
      required(
        new Option('-k, --key <ID>', 'id that the login page shows, or the address of that page'),
      ),
    )
    .action(
      action<{ readonly user: string; readonly key: string }>(cli, async (it) => {
        const client = await it.connect();
        const { user, key } = it.options;
        const { node } = await client.registerNode({ user, key });
        await it.print(inBothSpellings(node), 'Node registered');
      }),
    );

  nodes
    .command('expire')
    .aliases(['logout', 'exp', 'e'])
    .description('Log a node out, now or later')
    .addOption(required(identifier()))
    .addOption(option('-e, --expiry <TIME>', 'when, such as 2027-01-31T10:00:00Z', expiryTime))
    .option('-d, --disable', 'let it never expire')
    .action(
      action<OneNode & { readonly expiry?: string; readonly disable?: true }>(cli, async (it) => {
        const { identifier: nodeId, disable, expiry } = it.options;
        const client = await it.connect();
        if (disable === true || (expiry !== undefined && Date.parse(expiry) === ZERO_TIME_MS)) {
          const { node } = await client.expireNode({ nodeId, disableExpiry: true });
          return it.print(inBothSpellings(node), 'Node expiry disabled');
        }
        const now = cli.now();
        const at = expiry ?? new Date(now).toISOString();
        const { node } = await client.expireNode({ nodeId, expiry: at });
        const isOver = Date.parse(at) <= now;
        return it.print(inBothSpellings(node), isOver ? 'Node expired' : 'Node expiration updated');
      }),
    );

  nodes
    .command('rename')
    .description('Rename a node')
    .argument('<NEW_NAME>', 'its name in the tailnet, a DNS label')
    .addOption(required(identifier()))
    .action(
      action<OneNode>(cli, async (it, newName: string) => {
        const client = await it.connect();
        const { node } = await client.renameNode({ nodeId: it.options.identifier, newName });
        await it.print(inBothSpellings(node), 'Node renamed');
      }),
    );

  nodes
    .command('delete')
    .alias('del')
    .description('Remove a node')
    .addOption(required(identifier()))
    .action(
      action<OneNode>(cli, async (it) => {
        const nodeId = it.options.identifier;
        const client = await it.connect();
        const { node } = await client.getNode({ nodeId });
        if (!(await it.confirm(`Do you want to remove the node ${node.name}?`))) {
          return it.print({ Result: 'Node not deleted' }, 'Node not deleted');
        }
        await client.deleteNode({ nodeId });
        return it.print({ Result: 'Node deleted' }, 'Node deleted');
      }),
    );

  nodes
    .command('tag')
    .aliases(['tags', 't'])
    .description('Replace the tags of a node')
    .addOption(required(identifier()))
    .addOption(option('-t, --tags <TAGS>', 'its tags, separated by commas, such as tag:web', list))
    .action(
      action<OneNode & { readonly tags?: string[] }>(cli, async (it) => {
        const { identifier: nodeId, tags = [] } = it.options;
        const client = await it.connect();
        const { node } = await client.setTags({ nodeId, tags });
        await it.print(inBothSpellings(node), 'Node updated');
      }),
    );

  nodes
    .command('approve-routes')
    .description('Replace the approved routes of a node')
    .addOption(required(identifier()))
    .addOption(
      option(
        '-r, --routes <ROUTES>',
        'prefixes, separated by commas; empty for none; 0.0.0.0/0 approves an exit node',
        list,
      ),
    )
    .action(
      action<OneNode & { readonly routes?: string[] }>(cli, async (it) => {
        const { identifier: nodeId, routes = [] } = it.options;
        const client = await it.connect();
        const { node } = await client.setApprovedRoutes({ nodeId, routes });
        await it.print(inBothSpellings(node), 'Node updated');
      }),
    );

  nodes
    .command('backfillips')
    .summary('Give nodes the addresses that they lack')
    .description(
      'Give every node the addresses that the configured prefixes call for, and take those away that they no longer cover.',
    )
    .action(
      action(cli, async (it) => {
        const question = 'Are you sure that you want to assign/remove IPs to/from nodes?';
        if (!(await it.confirm(question))) return;
        const client: Client = await it.connect();
        const answer = await client.backfillNodeIps({ confirmed: 'true' });
        await it.print(answer, 'Node IPs backfilled successfully');
      }),
    );

  return nodes;
}
