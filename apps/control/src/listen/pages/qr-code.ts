/** A text as a picture that the camera of a phone reads. */
import { escapeHtml } from './page.ts';

/** Light modules that belong around a code, ISO/IEC 18004 §6.3.8. */
const QUIET_ZONE = 4;

/** An SVG element, dark on white in every colour scheme: inverted codes are not read by every phone. */
export async function qrCode(text: string, label: string): Promise<string> {
  // Loaded by the first page that has a code: megabytes that most servers never need.
  const { encodeQR } = await import('qr');
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET_ZONE });
  const path = rows.map((row, y) => barsOf(row, y)).join('');
  return `<svg class="qr" role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${rows.length} ${rows.length}"
shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/><path d="${path}"/></svg>`;
}

/** The dark runs of one row, each a bar of height 1. */
function barsOf(row: readonly boolean[], y: number): string {
  let bars = '';
  for (let x = 0; x < row.length; x++) {
    if (row[x] !== true) continue;
    const start = x;
    while (row[x + 1] === true) x++;
    const width = x + 1 - start;
    bars += `M${start} ${y}h${width}v1h-${width}z`;
  }
  return bars;
}
