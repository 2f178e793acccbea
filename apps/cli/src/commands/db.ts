/** `malla db`: the database file of this machine's server. */
import { resolve } from 'node:path';
import { MallaCommand } from '../command.ts';
import { readServerConfig } from '../configuration.ts';
import { action, type Cli } from '../invocation.ts';

/** The group. */
export function dbCommand(cli: Cli): MallaCommand {
  const db = new MallaCommand('db').description('Look after the database');

  db.command('backup')
    .summary('Copy the database to a file')
    .description('Copy the database to a new file, also while a server runs on it.')
    .argument('<FILE>', 'file to make')
    .action(
      action(cli, async (it, file: string) => {
        const { path } = await databaseOf(it.options.config);
        const { backupDatabase } = await import('@malla/control/store/sqlite/maintenance');
        const backup = resolve(cli.cwd, file);
        backupDatabase(path, backup);
        await it.print({ database: path, backup }, `Database ${path} copied to ${backup}`);
      }),
    );

  db.command('restore')
    .summary('Put a backup in the place of the database')
    .description(
      'Put a backup in the place of the database, while no server runs. The replaced database stays beside it.',
    )
    .argument('<FILE>', 'file that `malla db backup` made')
    .action(
      action(cli, async (it, file: string) => {
        const { path } = await databaseOf(it.options.config);
        const backup = resolve(cli.cwd, file);
        const question = `Do you want to replace the database ${path} by ${backup}?`;
        if (!(await it.confirm(question))) {
          return it.print({ Result: 'Database not restored' }, 'Database not restored');
        }
        const { restoreDatabase } = await import('@malla/control/store/sqlite/maintenance');
        const replaced = restoreDatabase(backup, path, cli.now());
        const kept = replaced === undefined ? '' : `; the one before is ${replaced}`;
        return it.print(
          { database: path, backup, replaced: replaced ?? null },
          `Database ${path} restored${kept}`,
        );
      }),
    );

  db.command('migrate')
    .summary('Bring the database to the schema of this version')
    .description(
      'Bring the database to the schema of this version, while no server runs. A server does the same when it starts.',
    )
    .option('--status', 'only list the migrations, and which of them are pending')
    .action(
      action<{ readonly status?: true }>(cli, async (it) => {
        const database = await databaseOf(it.options.config);
        const { migrateDatabase, migrationStatus } =
          await import('@malla/control/store/sqlite/maintenance');
        if (it.options.status === true) {
          const migrations = migrationStatus(database.path);
          return it.printList(migrations, () => ({
            header: ['Version', 'Migration', 'Applied'],
            rows: migrations.map(({ version, title, applied }) => [
              String(version),
              title,
              applied ? { text: 'yes', color: 'green' } : { text: 'no', color: 'red' },
            ]),
          }));
        }
        const migrated = await migrateDatabase(database);
        const { from, to, snapshot } = migrated;
        const text =
          from === to
            ? `Database ${database.path} is up to date (version ${to})`
            : `Database ${database.path} migrated from version ${from} to ${to}`;
        const kept = snapshot === undefined ? '' : `; the one before is ${snapshot}`;
        return it.print({ from, to, snapshot: snapshot ?? null }, text + kept);
      }),
    );

  return db;

  async function databaseOf(config: string | undefined) {
    const loaded = await readServerConfig(config === undefined ? {} : { config }, cli);
    return loaded.config.database;
  }
}
