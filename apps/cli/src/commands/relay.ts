/** `malla relay`: a relay by itself. Flags that derper has as well are called as there. */
import { Option } from 'commander';
import { count, list, MallaCommand, option, required } from '../command.ts';
import { action, type Cli } from '../invocation.ts';
import type { RelayFlags } from '../serve/relay.ts';

const MAX_BYTES_PER_SECOND = 10_000_000_000;

/** The command. */
export function relayCommand(cli: Cli): MallaCommand {
  const port = count(0, 65_535);
  const relay = new MallaCommand('relay')
    .summary('Run a relay and STUN on a machine of their own')
    .description(
      [
        'Run a relay and STUN on a machine of their own, for the devices of a control server elsewhere.',
        '',
        'It prints the DERP map file to name in derp.paths of the control server. Without --cert and --key it makes a certificate of its own, whose pin is in that file. SIGINT and SIGTERM stop it, SIGHUP reads the certificate again.',
      ].join('\n'),
    )
    .addOption(
      required(new Option('--hostname <NAME>', 'name or address by which clients reach it')),
    )
    .option('--listen <ADDRESS>', 'where to listen for TLS, host:port or :port', ':443')
    .addOption(
      option('--http-port <PORT>', 'also answer captive portal checks, usually on 80', port),
    )
    .addOption(option('--stun-port <PORT>', 'UDP port of STUN', port).default(3478))
    .option('--no-stun', 'no STUN')
    .option('--metrics <ADDRESS>', 'where Prometheus finds metrics; not for the public')
    .option('--data-dir <DIR>', 'where to keep its key and certificate', 'relay-data')
    .option('--cert <FILE>', 'PEM file with the certificate of --hostname')
    .option('--key <FILE>', 'PEM file with its private key')
    .option(
      '--verify-client-url <URL>',
      'ask there who may use the relay, such as https://control/verify',
    )
    .option(
      '--verify-client-url-fail-open',
      'serve everybody while that does not answer; without it, nobody new',
    )
    .addOption(
      option('--bootstrap-dns-names <NAMES>', 'more names that clients may look up here', list),
    )
    .option(
      '--mesh-psk-file <FILE>',
      'file with the key that the servers of its region share, 64 hex digits',
    )
    .addOption(
      option(
        '--mesh-with <SERVERS>',
        'servers of its region: host, host:port or, with a certificate of its own making, host:port@pin',
        list,
      ),
    )
    .addOption(
      option('--max-clients <NUMBER>', 'clients at once', count(1, 1_000_000)).default(10_000),
    )
    .addOption(
      option(
        '--client-rate <BYTES>',
        'what one client may send a second',
        count(1, MAX_BYTES_PER_SECOND),
      ),
    )
    .addOption(
      option(
        '--client-burst <BYTES>',
        'what it may send at once before that holds',
        count(65_536, MAX_BYTES_PER_SECOND),
      ).default(1_048_576),
    )
    .addOption(
      option('--accept-connection-limit <NUMBER>', 'new connections a second', count(1, 1_000_000)),
    )
    .addOption(
      option(
        '--accept-connection-burst <NUMBER>',
        'new connections at once before that holds',
        count(1, 1_000_000),
      ).default(100),
    )
    .addOption(
      option(
        '--region-id <NUMBER>',
        'its region in the map, 900 to 999 are free',
        count(1, 65_535),
      ).default(900),
    )
    .option('--region-code <TEXT>', 'short name of the region', 'relay')
    .option('--region-name <TEXT>', 'long name of the region', 'malla relay')
    .addOption(
      new Option('--log-level <LEVEL>', 'least level that is logged')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(
      new Option('--log-format <FORMAT>', 'for people or for programs')
        .choices(['text', 'json'])
        .default('text'),
    );
  relay.action(
    action<RelayFlags>(cli, async (it) => {
      const { serveRelay } = await import('../serve/relay.ts');
      await serveRelay(cli, it.options);
    }),
  );
  return relay;
}
