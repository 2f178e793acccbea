/** A folder as tar.gz, the same bytes for the same content. */
import { basename, dirname } from 'node:path';
import { runTool } from './tool.ts';

/** Packs the folder under its own name; `time` in Unix seconds. Needs GNU tar. */
export function writeArchive(folder: string, file: string, time: number): void {
  const same = ['--sort=name', '--format=gnu', '--owner=0', '--group=0', '--numeric-owner'];
  const modes = '--mode=u=rwX,go=rX';
  runTool(
    'tar',
    [
      ...same,
      modes,
      `--mtime=@${time}`,
      '--use-compress-program=gzip -n -6',
      `--create`,
      `--file=${file}`,
      basename(folder),
    ],
    { cwd: dirname(folder) },
  );
}
