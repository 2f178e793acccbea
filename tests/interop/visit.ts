/** `visit.ts <method> <url> [<body>]` prints the status of the answer, a blank and its text. */
const PATIENCE_MS = 3_000;
const [method = 'GET', url = '', body = null] = process.argv.slice(2);

const signal = AbortSignal.timeout(PATIENCE_MS);
const answer = await fetch(url, { method, body, signal });
process.stdout.write(`${answer.status} ${await answer.text()}`);
