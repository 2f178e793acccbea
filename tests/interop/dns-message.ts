/** As much of DNS messages as name servers of the lab need. Source: RFC 1035 §4.1. */

/** An IPv4 address. */
export const TYPE_A = 1;

const HEADER_BYTES = 12;
/** Response, authoritative, recursion desired and available; and the same with "no such name". */
const FOUND = 0x8580;
const NO_SUCH_NAME = 0x8583;
/** The answer's name is the question's. */
const SAME_NAME = 0xc000 | HEADER_BYTES;
const TTL_S = 5;

/** The first question of a query, its name in lower case; `end` is where it ends. */
export function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** The answer to a query about a name that exists or not, with an address or without one. */
export function answerTo(query: Buffer, exists: boolean, address: string | undefined): Buffer {
  const answers = address === undefined ? [] : [addressRecord(address)];
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(exists ? FOUND : NO_SUCH_NAME, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  const question = query.subarray(HEADER_BYTES, readQuestion(query).end);
  return Buffer.concat([header, question, ...answers]);
}

function addressRecord(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(SAME_NAME, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(TTL_S, 6);
  record.writeUInt16BE(4, 10);
  for (const [i, part] of address.split('.').entries()) record[12 + i] = Number(part);
  return record;
}
