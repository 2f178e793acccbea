/** Reads an answer to its end, as long as that is near. */
import { CommandError } from './failure.ts';

/** Largest answer read, bytes: a list of 100 000 nodes is about half of it. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** All bytes of a stream. Throws CommandError where there are too many. */
export async function wholeAnswer(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new CommandError('the answer of the server is too long');
  }
  return Buffer.concat(chunks);
}
