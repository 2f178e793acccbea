/**
 * Makes the API's documentation on a thread of its own, which ends with it: it takes 0.3 s, in which the
 * server would answer nobody, and memory that nobody needs afterwards.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openApiDocument } from '@malla/api/openapi';
import { apiV1 } from '@malla/api/v1/table';
import { stringify } from 'yaml';
import { docsPage } from './docs-page.ts';

/** What is made, as text. */
export interface DocumentationTexts {
  readonly json: string;
  readonly yaml: string;
  readonly page: string;
}

const version = workerData as string;
const document = openApiDocument(apiV1, version);
const texts: DocumentationTexts = {
  json: JSON.stringify(document),
  yaml: stringify(document),
  page: docsPage(apiV1, version),
};
if (parentPort !== null) tell(parentPort);

function tell(port: NonNullable<typeof parentPort>): void {
  port.postMessage(texts);
}
