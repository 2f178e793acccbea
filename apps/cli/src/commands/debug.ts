/** `malla debug`: for tests, and for looking into a client. */
import { Option } from 'commander';
import type { Client } from '@malla/api/client';
import { list, MallaCommand, option, required } from '../command.ts';
import { CommandError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';

/** The group. */
export function debugCommand(cli: Cli): MallaCommand {
  const debug = new MallaCommand('debug').description('Debug and test');

  debug
    .command('create-node')
    .description('Make a login wait as if a device had asked')
    .addOption(required(new Option('--name <NAME>', 'host name of the device')))
    .addOption(required(new Option('-u, --user <NAME>', 'who is to own it')))
    .addOption(required(new Option('-k, --key <ID>', 'id that the login is to have')))
    .addOption(option('-r, --route <ROUTES>', 'prefixes it offers, separated by commas', list))
    .action(
      action<{
        readonly name: string;
        readonly user: string;
        readonly key: string;
        readonly route?: string[];
      }>(cli, async (it) => {
        const { name, user, key, route: routes } = it.options;
        const client = await it.connect();
        const { node } = await client.debugCreateNode({ name, user, key, routes });
        await it.print(node, 'Node created');
      }),
    );

  debug
    .command('c2n')
    .summary('Send an HTTP request to a connected client')
    .description(
      "Send an HTTP request to a connected client and print its answer. Paths are the client's own, such as /echo, /debug/goroutines or /debug/prefs.",
    )
    .argument('<NODE>', 'id or name of the node')
    .argument('<PATH>', 'path of the request, such as /echo')
    .option('-d, --data <TEXT>', 'body: makes it a POST')
    .action(
      action<{ readonly data?: string }>(cli, async (it, node: string, path: string) => {
        const client = await it.connect();
        const answer = await client.debugC2n({
          nodeId: await nodeId(client, node),
          path,
          ...(it.options.data === undefined ? {} : { method: 'POST', body: it.options.data }),
        });
        await it.print(answer, answer.body.trimEnd());
        if (answer.status > 299) {
          throw new CommandError(`the client answered with status ${answer.status}`);
        }
      }),
    );

  return debug;
}

async function nodeId(client: Client, idOrName: string): Promise<string> {
  if (/^\d+$/.test(idOrName)) return idOrName;
  const { nodes } = await client.listNodes();
  const node = nodes.find(({ givenName }) => givenName === idOrName);
  if (node === undefined) throw new CommandError(`node "${idOrName}" not found`);
  return node.id;
}
