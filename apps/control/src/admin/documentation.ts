/**
 * What the API says of itself, open to everybody: the OpenAPI document and a page. They are made when
 * somebody asks for one first, on a thread of their own (documentation-worker.ts), and kept.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Kept, kept } from '@malla/platform/http/kept-response';
import type { DocumentationTexts } from './documentation-worker.ts';

/** By path below the API's prefix. `version` is the server's. */
export function documentation(version: string): Readonly<Record<string, Kept>> {
  let making: Promise<DocumentationTexts> | undefined;
  const text = (which: keyof DocumentationTexts) => async (): Promise<string> => {
    making ??= make(version);
    try {
      return (await making)[which];
    } catch (error) {
      making = undefined;
      throw error;
    }
  };
  const json = kept(text('json'), { 'Content-Type': 'application/json' });
  return {
    '/openapi': json,
    '/openapi.json': json,
    '/openapi.yaml': kept(text('yaml'), { 'Content-Type': 'application/yaml' }),
    '/docs': kept(text('page'), {
      'Content-Type': 'text/html; charset=UTF-8',
      'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
    }),
  };
}

async function make(version: string): Promise<DocumentationTexts> {
  const worker = new Worker(new URL('documentation-worker.ts', import.meta.url), {
    name: 'malla-documentation',
    // The process's own options may be none for a thread.
    execArgv: [],
    workerData: version,
  });
  // An error of the thread rejects this.
  const [texts] = (await once(worker, 'message')) as [DocumentationTexts];
  return texts;
}
