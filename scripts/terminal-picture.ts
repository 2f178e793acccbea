/** Draws what a terminal shows as an SVG: commands after `$`, comments after `#`, and what was printed. */

const COLUMN = 8.4;
const LINE = 20;
const MARGIN = 20;
/** Of the bar with the three dots. */
const TOP = 34;

/** The picture of a session; `label` is for those who see no pictures. */
export function drawTerminal(session: string, label: string): string {
  const lines = session.trimEnd().split('\n');
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * COLUMN) + 2 * MARGIN;
  const height = TOP + lines.length * LINE + MARGIN;
  const texts = lines.map((line, row) => draw(line, TOP + (row + 1) * LINE)).filter(Boolean);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(label)}">
<style>
  text { font: 14px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #b6c0cd; white-space: pre }
  .typed { fill: #f2f5f9 } .prompt { fill: #35bd8f } .said { fill: #7c8896 }
</style>
<rect width="${width}" height="${height}" rx="10" fill="#141a22"/>
<g fill="#3a4554"><circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/><circle cx="62" cy="20" r="6"/></g>
${texts.join('\n')}
</svg>
`;
}

function draw(line: string, y: number): string {
  if (line.trim() === '') return '';
  const typed = /^\$ (.*?)( +#.*)?$/.exec(line);
  if (typed === null) {
    const kind = line.startsWith('# ') ? ' class="said"' : '';
    return `<text x="${MARGIN}" y="${y}"${kind}${fixed(line)}>${escapeXml(line)}</text>`;
  }
  const [, command = '', comment = ''] = typed;
  const parts = [
    '<tspan class="prompt">$ </tspan>',
    `<tspan class="typed">${escapeXml(command)}</tspan>`,
    comment === '' ? '' : `<tspan class="said">${escapeXml(comment)}</tspan>`,
  ];
  return `<text x="${MARGIN}" y="${y}"${fixed(line)}>${parts.join('')}</text>`;
}

/** Columns stand below each other whatever font there is. */
function fixed(line: string): string {
  return ` textLength="${(line.length * COLUMN).toFixed(1)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
