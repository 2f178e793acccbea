/**
 * Finds where the head of an HTTP/1.1 message ends, and a body in chunks: both with a blank line. Empty
 * lines before the first line are no end (RFC 9112 §2.2). It is no parser: it only says how far a parser
 * can read without coming upon the next message, and takes a line feed alone for an end of line too, so
 * that it never reads further than the most lenient one.
 */

const LF = 0x0a;
const CR = 0x0d;

export class BlankLine {
  /** Whether anything but empty lines was seen. */
  #begun: boolean;
  /** Whether the line that is being read has nothing in it yet. */
  #lineIsEmpty = true;

  /** `begun`: an empty line at the very beginning counts, as it does in a body. */
  constructor(begun: boolean) {
    this.#begun = begun;
  }

  /** Whether something of the message was seen. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Reads on; the index behind the first blank line, or undefined where there is none yet. */
  find(bytes: Uint8Array): number | undefined {
    let at = 0;
    while (at < bytes.length) {
      const end = bytes.indexOf(LF, at);
      const upTo = end === -1 ? bytes.length : end;
      while (at < upTo && bytes[at] === CR) at++;
      if (at < upTo) {
        this.#begun = true;
        this.#lineIsEmpty = false;
      }
      if (end === -1) return undefined;
      at = end + 1;
      if (this.#lineIsEmpty && this.#begun) return at;
      this.#lineIsEmpty = true;
    }
    return undefined;
  }
}
