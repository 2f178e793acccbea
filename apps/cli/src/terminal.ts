/** Where commands read and write: the process's streams, or a test's. */

export interface Output {
  write(text: string): void;
  readonly color: boolean;
}

export interface Input {
  /** Somebody can be asked. */
  readonly isTerminal: boolean;
  /** One line without its end; undefined when the input has ended, or `timeoutMs` have passed. */
  readLine(timeoutMs?: number): Promise<string | undefined>;
}

export interface Terminal {
  readonly out: Output;
  readonly err: Output;
  readonly in: Input;
}

/** Longest answer to a prompt that is read, characters. */
const MAX_LINE = 1024;

/** The terminal of this process. Colours only on a terminal, and not with NO_COLOR (no-color.org). */
export function processTerminal(streams: {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
}): Terminal {
  const colorAllowed = (streams.env['NO_COLOR'] ?? '') === '' && streams.env['TERM'] !== 'dumb';
  const output = (stream: NodeJS.WriteStream): Output => ({
    write: (text) => void stream.write(text),
    color: stream.isTTY && colorAllowed,
  });
  return {
    out: output(streams.stdout),
    err: output(streams.stderr),
    in: {
      isTerminal: streams.stdin.isTTY,
      readLine: (timeoutMs) => readLine(streams.stdin, timeoutMs),
    },
  };
}

async function readLine(stdin: NodeJS.ReadStream, timeoutMs?: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let text = '';
  const onData = (chunk: string): void => {
    text += chunk;
    const end = text.search(/\r?\n/);
    if (end >= 0) resolve(text.slice(0, end));
    else if (text.length > MAX_LINE) resolve(undefined);
  };
  const giveUp = (): void => resolve(text === '' ? undefined : text);
  const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs);
  stdin.setEncoding('utf8');
  stdin.on('data', onData).on('end', giveUp).on('error', giveUp);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stdin.off('data', onData).off('end', giveUp).off('error', giveUp);
    stdin.pause();
  }
}
