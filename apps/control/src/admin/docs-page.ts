/** The API's documentation as one page of HTML: every route and every error code, nothing to load. */
import { API_PREFIX, type Route, routeNames, routes } from '@malla/api/routes';
import { STATUS_OF } from '@malla/api/status';

/** The whole page. */
export function docsPage(version: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>malla API</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  :root { color-scheme: light dark; }
  table { border-collapse: collapse; }
  th, td { text-align: left; vertical-align: top; padding: .25rem 1.5rem .25rem 0; }
  :target { outline: 2px solid; outline-offset: 2px; }
</style>
<h1>malla API</h1>
<p>Version ${escape(version)}. For programs:
<a href="${API_PREFIX}/openapi.json">OpenAPI as JSON</a>,
<a href="${API_PREFIX}/openapi.yaml">as YAML</a>.</p>
<p>Every request needs the header <code>Authorization: Bearer</code> with an API key
(<code>malla apikeys create</code>); over the unix socket it needs none.</p>
<h2>Routes</h2>
<table>
<tr><th>Request<th>What it does<th>Fields</tr>
${routeNames.map((name) => routeRow(routes[name])).join('\n')}
</table>
<h2>Errors</h2>
<p>Every error is a problem document (RFC 9457): <code>status</code>, a <code>detail</code> for people,
and a <code>code</code> for programs, which never changes its meaning.</p>
<table>
<tr><th>Code<th>Status</tr>
${Object.entries(STATUS_OF)
  .map(([code, status]) => `<tr id="${code}"><td><code>${code}</code><td>${status}</tr>`)
  .join('\n')}
</table>
</html>
`;
}

function routeRow(route: Route): string {
  const fields = [...Object.keys(route.query.shape), ...Object.keys(route.body?.shape ?? {})];
  return `<tr><td><code>${route.method} ${route.path}</code><td>${escape(route.summary)}<td>${fields.join(', ')}</tr>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
