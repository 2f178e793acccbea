/** `malla version`: what this is and what it runs on. */
import { MallaCommand } from '../command.ts';
import { action, type Cli } from '../invocation.ts';

/** The command. */
export function versionCommand(cli: Cli): MallaCommand {
  const version = new MallaCommand('version').description('Print the version');
  version.action(
    action(cli, async (it) => {
      const { readVersion } = await import('../version.ts');
      const info = await readVersion();
      const lines = [
        `malla version ${info.version}${info.dirty ? '-dirty' : ''}`,
        `commit: ${info.commit}`,
        `build time: ${info.buildTime}`,
        `built with: node ${info.node.version} ${info.node.os}/${info.node.arch}`,
      ];
      await it.print(info, lines.join('\n'));
    }),
  );
  return version;
}
