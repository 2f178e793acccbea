/** The image under test, built as deploy/Dockerfile says. */
import type { Engine } from './engine.ts';
import { makeStandIns } from './stand-ins.ts';

export const IMAGE = 'localhost/malla';

/** Builds it; layers that have not changed are taken from the last time. */
export async function buildImage(engine: Engine): Promise<void> {
  await makeStandIns(engine);
  await engine.build(IMAGE, ['--file=deploy/Dockerfile', '.']);
}
