/** `malla serve`: the server. */
import { MallaCommand } from '../command.ts';
import { action, type Cli } from '../invocation.ts';

/** The command. */
export function serveCommand(cli: Cli): MallaCommand {
  const serve = new MallaCommand('serve')
    .summary('Run the server')
    .description(
      [
        'Run the server: control, relay and STUN in one process.',
        '',
        'Without a configuration it listens on http://127.0.0.1:8080 and keeps its data in ./data.',
        'SIGINT and SIGTERM stop it, SIGHUP reads certificates, relay maps, DNS records and the policy file again.',
      ].join('\n'),
    )
    .option(
      '--url <URL>',
      'URL at which clients reach it; with http:// it listens on its port, on all addresses',
    )
    .option('--listen <ADDRESS>', 'where to listen, host:port or :port')
    .option('--data-dir <DIR>', 'where to keep the database and keys')
    .option('--first-run', 'make a user and a key for the first device, and print how to join it');
  serve.action(
    action<{
      readonly url?: string;
      readonly listen?: string;
      readonly dataDir?: string;
      readonly firstRun?: true;
    }>(cli, async (it) => {
      const { config, url, listen, dataDir, firstRun } = it.options;
      const { serve: run } = await import('../serve/serve.ts');
      await run(cli, {
        ...(config === undefined ? {} : { config }),
        overrides: { url, listen, dataDir },
        firstRun: firstRun === true,
      });
    }),
  );
  return serve;
}
