/** `malla dns`: names that are not nodes. */
import { Option } from 'commander';
import { id, MallaCommand, option } from '../command.ts';
import { UsageError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';

interface Selection {
  readonly id?: string;
  readonly type?: string;
}

const TYPE = '-t, --type <TYPE>';

/** The group. */
export function dnsCommand(cli: Cli): MallaCommand {
  const dns = new MallaCommand('dns').description('Manage DNS');
  const records = dns
    .command('records')
    .alias('record')
    .description('Manage names that are not nodes');

  records
    .command('list')
    .aliases(['ls', 'show'])
    .description('List DNS records, those of the configuration included')
    .action(
      action(cli, async (it) => {
        const client = await it.connect();
        const { records: found } = await client.listDnsRecords();
        await it.printList(found, () => ({
          header: ['ID', 'Name', 'Type', 'Value', 'Source'],
          rows: found.map((record) => [
            record.id ?? '-',
            record.name,
            record.type,
            record.value,
            record.source,
          ]),
        }));
      }),
    );

  records
    .command('add')
    .aliases(['create', 'new'])
    .description('Add a DNS record; clients know it at once')
    .argument('<NAME>', 'whole name, such as grafana.tailnet.example.org')
    .argument('<ADDRESS>', 'IP address')
    .addOption(new Option(TYPE, 'A or AAAA, to be sure that the address is one'))
    .action(
      action<Selection>(cli, async (it, name: string, value: string) => {
        const client = await it.connect();
        const { record } = await client.addDnsRecord({ name, value, type: it.options.type });
        await it.print(record, 'DNS record added');
      }),
    );

  records
    .command('remove')
    .aliases(['rm', 'delete'])
    .description('Remove DNS records: all of a name, or one of them')
    .argument('[NAME]', 'name of the records')
    .argument('[ADDRESS]', 'only with this IP address')
    .addOption(new Option(TYPE, 'only of this type'))
    .addOption(option('-i, --id <ID>', 'id of one record, instead of a name', id))
    .action(
      action<Selection>(cli, async (it, name?: string, value?: string) => {
        const { type, id: one } = it.options;
        if ((name === undefined) === (one === undefined)) {
          throw new UsageError('either NAME or --id is required');
        }
        const client = await it.connect();
        const { records: removed } = await client.removeDnsRecords(
          one === undefined ? { name, value, type } : { id: one },
        );
        const text =
          removed.length === 1 ? 'DNS record removed' : `${removed.length} DNS records removed`;
        await it.print(removed, text);
      }),
    );

  return dns;
}
