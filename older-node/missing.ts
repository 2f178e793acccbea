/**
 * What Node 24 lacks of what malla uses: hex and base64 of byte arrays, as ECMAScript 2026 has them.
 * `bin/node` loads it before the program where that version runs. Whoever uses something else that is
 * new adds it here; the tests in a bare image find out.
 */

define(Uint8Array.prototype, 'toHex', function toHex(this: Uint8Array) {
  return view(this).toString('hex');
});
define(Uint8Array.prototype, 'toBase64', function toBase64(this: Uint8Array) {
  return view(this).toString('base64');
});
define(Uint8Array, 'fromHex', (text: string) => {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw new SyntaxError('not hex');
  return new Uint8Array(Buffer.from(text, 'hex'));
});
define(Uint8Array, 'fromBase64', (text: string) => {
  if (!/^(?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{2}==|[a-z0-9+/]{3}=)?$/i.test(text)) {
    throw new SyntaxError('not base64');
  }
  return new Uint8Array(Buffer.from(text, 'base64'));
});

/** Adds what is missing in the way that built-in functions are there: not listed with the properties. */
function define(target: object, name: string, value: (...args: never[]) => unknown): void {
  if (name in target) return;
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
