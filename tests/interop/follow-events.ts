/** `follow-events.ts <url> <API key>` prints the events of a server as they come, a line for each, until it is ended. */
const [url = '', key = ''] = process.argv.slice(2);

const answer = await fetch(`${url}/api/v1/events`, { headers: { Authorization: `Bearer ${key}` } });
process.stdout.write(`${answer.status}\n`);
const text = answer.body?.pipeThrough(new TextDecoderStream());
for await (const piece of text ?? []) {
  for (const [, event, data] of piece.matchAll(/event: (.*)\ndata: (.*)/g)) {
    process.stdout.write(`${event} ${data}\n`);
  }
}
