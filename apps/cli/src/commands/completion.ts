/** `malla completion`: scripts that let shells complete commands and flags. */
import { Argument } from 'commander';
import { MallaCommand } from '../command.ts';
import type { Facts } from '../completion/facts.ts';
import { action, type Cli } from '../invocation.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
type Shell = (typeof SHELLS)[number];

/** The command; it completes the tree below `root`. */
export function completionCommand(cli: Cli, root: MallaCommand): MallaCommand {
  const completion = new MallaCommand('completion')
    .summary('Print a completion script for a shell')
    .description(
      [
        'Print a completion script for a shell.',
        '',
        '  bash:        source <(malla completion bash)',
        '  zsh:         source <(malla completion zsh)',
        '  fish:        malla completion fish | source',
        '  powershell:  malla completion powershell | Out-String | Invoke-Expression',
      ].join('\n'),
    )
    .addArgument(new Argument('<SHELL>', 'bash, zsh, fish or powershell').choices(SHELLS));
  completion.action(
    action(cli, async (_, shell: Shell) => {
      const [{ completionFacts }, { readTree }] = await Promise.all([
        import('../completion/facts.ts'),
        import('../completion/tree.ts'),
      ]);
      const facts = completionFacts(readTree(root));
      cli.terminal.out.write(await scriptFor(shell, facts));
    }),
  );
  return completion;
}

async function scriptFor(shell: Shell, facts: Facts): Promise<string> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion(facts);
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion(facts);
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion(facts);
    case 'powershell':
      return (await import('../completion/powershell.ts')).powershellCompletion(facts);
  }
}
