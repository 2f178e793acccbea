/** The API's documentation as one page of HTML: every route and every error code, nothing to load. */
import type { ApiTable, EventStreamRoute, Route } from '@malla/api/route';
import { STATUS_OF } from '@malla/api/status';

/** The whole page. */
export function docsPage(api: ApiTable, version: string): string {
  const rows = [
    ...Object.values(api.routes).map((route) => routeRow(route, fieldsOf(route))),
    ...Object.values(api.eventStreams).map((stream) => routeRow(stream, [])),
  ];
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
<a href="${api.prefix}/openapi.json">OpenAPI as JSON</a>,
<a href="${api.prefix}/openapi.yaml">as YAML</a>.</p>
<p>Every request needs the header <code>Authorization: Bearer</code> with an API key
(<code>malla apikeys create</code>); over the unix socket it needs none.</p>
<h2>Routes</h2>
<table>
<tr><th>Request<th>What it does<th>Needs<th>Fields</tr>
${rows.join('\n')}
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

function routeRow(
  { method, path, summary, access }: Route | EventStreamRoute,
  fields: readonly string[],
): string {
  const needs = access === 'known-caller' ? '' : `<code>${access}</code>`;
  return `<tr><td><code>${method} ${path}</code><td>${escape(summary)}<td>${needs}<td>${fields.join(', ')}</tr>`;
}

function fieldsOf({ query, body }: Route): readonly string[] {
  return [...Object.keys(query.shape), ...Object.keys(body?.shape ?? {})];
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
