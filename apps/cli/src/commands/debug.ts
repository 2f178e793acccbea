/** `malla debug`: for tests, and for looking into a client. */
import { Option } from 'commander';
import type { Client } from '@malla/api/v1/client';
import { formatPrefix, parsePrefix, parsePrefixMasked, type Prefix } from '@malla/ip/prefix';
import { MAX_SITE, viaOf, viaPrefix } from '@malla/ip/via';
import { list, MallaCommand, option, required } from '../command.ts';
import { CommandError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';

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
        await it.print(inBothSpellings(node), 'Node created');
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

  debug
    .command('via')
    .summary('Convert between an IPv4 prefix of a site and its IPv6 prefix')
    .description(
      'Print the IPv6 prefix (4via6) by which a subnet router announces an IPv4 prefix of its site, so that sites may use the same addresses; or what such an IPv6 prefix stands for. Asks no server.',
    )
    .argument('<SITE_OR_PREFIX>', 'id of the site, 0 to 65535; or an IPv6 prefix')
    .argument('[PREFIX]', 'IPv4 prefix at the site, such as 10.0.0.0/24')
    .action(
      action(cli, async (it, siteOrPrefix: string, prefix?: string) => {
        if (prefix === undefined) {
          const via = viaOf(prefixFrom(siteOrPrefix));
          if (via === undefined) throw new CommandError(`${siteOrPrefix} is no 4via6 prefix`);
          const text = formatPrefix(via.prefix);
          const hex = via.site.toString(16);
          return it.print({ site: via.site, prefix: text }, `site ${via.site} (0x${hex}), ${text}`);
        }
        const four = prefixFrom(prefix);
        const site = /^(?:\d+|0x[\da-f]+)$/i.test(siteOrPrefix) ? Number(siteOrPrefix) : Number.NaN;
        const via = viaPrefix({ site, prefix: four });
        if (via.ok) {
          const text = formatPrefix(via.value);
          return it.print({ site, prefix: formatPrefix(four), via: text }, text);
        }
        throw new CommandError(
          via.error === 'site'
            ? `site id "${siteOrPrefix}" is not a number from 0 to ${MAX_SITE}`
            : `${prefix} is not an IPv4 prefix`,
        );
      }),
    );

  return debug;
}

/** A prefix without host bits. */
function prefixFrom(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix.ok) return prefix.value;
  const masked = parsePrefixMasked(text);
  throw new CommandError(
    masked.ok
      ? `${text} has host bits set: write ${formatPrefix(masked.value)}`
      : `${text} is not a prefix like 10.0.0.0/24`,
  );
}

async function nodeId(client: Client, idOrName: string): Promise<string> {
  if (/^\d+$/.test(idOrName)) return idOrName;
  const { nodes } = await client.listNodes();
  const node = nodes.find(({ givenName }) => givenName === idOrName);
  if (node === undefined) throw new CommandError(`node "${idOrName}" not found (malla nodes list)`);
  return node.id;
}
