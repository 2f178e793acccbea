/** What a release consists of, as CycloneDX, by `npm sbom`: every package that may be installed with malla. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Build } from './npm-package.ts';
import { runTool } from './tool.ts';

interface Bom {
  readonly metadata: {
    readonly component: { readonly name: string; readonly version: string };
  };
}

/**
 * The document of the package in this folder. npm gives each of them another number and the time it was made; both
 * come from what is released instead.
 */
export function billOfMaterials(folder: string, { time, commit }: Build): string {
  const args = [
    'sbom',
    '--package-lock-only',
    '--sbom-format=cyclonedx',
    '--sbom-type=application',
  ];
  const made = JSON.parse(runTool('npm', args, { cwd: folder })) as Bom;
  const { component } = made.metadata;
  if (component.name !== basename(folder)) throw new Error(`npm sbom describes ${component.name}`);
  const hex = createHash('sha256').update(`${component.version} ${commit}`).digest('hex');
  const uuid = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  const bom = {
    ...made,
    serialNumber: `urn:uuid:${[...uuid, hex.slice(20, 32)].join('-')}`,
    metadata: { ...made.metadata, timestamp: new Date(time * 1000).toISOString() },
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}
