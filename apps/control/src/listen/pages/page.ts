/**
 * The frame of every page this server shows a person: plain HTML with one style sheet, which loads nothing.
 * Commands can be selected as they are; where scripts run, each has a button that copies it.
 */
import { createHash } from 'node:crypto';

/** Text made safe for HTML content and attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; font: 17px/1.6 system-ui, sans-serif; --faint: color-mix(in srgb, CanvasText 8%, Canvas); }
body { max-width: 42rem; margin: clamp(1rem, 6vw, 4rem) auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
pre { background: var(--faint); padding: 1rem; border-radius: .5rem; margin: 1rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; -webkit-user-select: all; }
code { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre + button { display: block; margin: -.5rem 0 1rem auto; min-height: 2.75rem; padding: 0 1.25rem; font: inherit;
  color: inherit; background: var(--faint); border: 0; border-radius: .5rem; cursor: pointer; }
@media (min-width: 40rem) {
  pre { padding-right: 8rem; }
  pre + button { margin: -4.15rem .4rem 1.4rem auto; }
}
nav { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0; }
nav a { padding: .75rem 1rem; border-radius: .5rem; background: var(--faint); }
figure { margin: 2rem 0; }
.qr { width: min(100%, 15rem); border-radius: .5rem; }
small { color: color-mix(in srgb, CanvasText 65%, Canvas); }
`;

// The clipboard's own interface is there only over https: on http:// an old command does the same.
const SCRIPT = `
for (const pre of document.querySelectorAll('pre')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.onclick = async () => {
    getSelection().selectAllChildren(pre);
    const copied = navigator.clipboard
      ? await navigator.clipboard.writeText(pre.textContent).then(() => true, () => false)
      : document.execCommand('copy');
    button.textContent = copied ? 'Copied' : 'Selected: copy it by hand';
  };
  pre.after(button);
}
`;

/** What a page may do: style itself and run the one script above. Markup that slipped in runs nothing. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** A whole page. `body` is HTML; the title is text. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** A command or address on a line of its own, to be copied. */
export function copyable(text: string): string {
  return `<pre><code>${escapeHtml(text)}</code></pre>`;
}
