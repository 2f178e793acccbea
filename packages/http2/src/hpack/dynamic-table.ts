/** The dynamic table of HPACK (RFC 7541 §2.3.2 and §4): the newest fields first, bounded in size. */
import { fieldBytes, type Field } from './field.ts';

/** Fields that the peer chose to remember; the oldest go when the size is exceeded. */
export class DynamicTable {
  /** Oldest first. Undefined while empty, as it is on most connections. */
  #fields: Field[] | undefined;
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Size of all fields in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The field with this index, 0 being the newest. */
  get(index: number): Field | undefined {
    return this.#fields?.at(-1 - index);
  }

  /** Adds a field; one that is larger than the table empties it (RFC 7541 §4.4). */
  add(field: Field): void {
    const bytes = fieldBytes(field);
    this.#evict(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    (this.#fields ??= []).push(field);
    this.#bytes += bytes;
  }

  /** Changes the size, evicting what no longer fits. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(downTo: number): void {
    const fields = this.#fields;
    if (fields === undefined) return;
    let gone = 0;
    for (const field of fields) {
      if (this.#bytes <= downTo) break;
      this.#bytes -= fieldBytes(field);
      gone++;
    }
    if (gone === fields.length) this.#fields = undefined;
    else if (gone > 0) fields.splice(0, gone);
  }
}
