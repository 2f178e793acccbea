/**
 * What the API says of itself, open to everybody: the OpenAPI document and a page. Each is made, and what
 * makes it loaded, when somebody asks for it first: that takes up to 0.1 s and more memory than all handlers.
 */
import { type Kept, kept } from '@malla/platform/http/kept-response';
import { docsPage } from './docs-page.ts';

/** By path below the API's prefix. `version` is the server's. */
export function documentation(version: string): Readonly<Record<string, Kept>> {
  const document = async (): Promise<object> => {
    const { openApiDocument } = await import('@malla/api/openapi');
    return openApiDocument(version);
  };
  const json = kept(async () => JSON.stringify(await document()), {
    'Content-Type': 'application/json',
  });
  const yaml = kept(
    async () => {
      const { stringify } = await import('yaml');
      return stringify(await document());
    },
    { 'Content-Type': 'application/yaml' },
  );
  const page = kept(() => docsPage(version), {
    'Content-Type': 'text/html; charset=UTF-8',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
  });
  return { '/openapi': json, '/openapi.json': json, '/openapi.yaml': yaml, '/docs': page };
}
