/** Surroundings for tests of commands: output is collected, requests are recorded and answered from a table. */
import {
  type ApiRequest,
  type ApiResponse,
  createClient,
  type Transport,
} from '@malla/api/v1/client';
import type { Cli } from '../invocation.ts';
import { run } from '../program.ts';

/** 2026-11-21 12:00:00 UTC. */
export const NOW = Date.UTC(2026, 10, 21, 12);

export interface Scenario {
  /** Bodies by `METHOD /path?query` below `/api/v1`; a number is a status with a problem document. */
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly isTerminal?: boolean;
  readonly color?: boolean;
  /** What somebody types or pipes; absent: the input is at its end. */
  readonly typed?: string;
}

/** `METHOD /path` below `/api/v1`, and the body where there is one. */
export type Requests = readonly (string | readonly [string, unknown])[];

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly requests: Requests;
}

/** An answer of the server that refuses. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

/** For building the tree only. */
export const silentCli: Cli = {
  terminal: {
    out: { color: false, write() {} },
    err: { color: false, write() {} },
    in: { isTerminal: false, readLine: () => Promise.resolve(undefined) },
  },
  env: {},
  cwd: '/nowhere',
  now: () => NOW,
  connect: () => Promise.reject(new Error('nothing to connect to')),
  onSignal() {},
};

/** Runs `malla <argv>` in these surroundings. */
export async function runMalla(argv: readonly string[], scenario: Scenario = {}): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const { request, requests } = answerFrom(scenario.answers ?? {});
  const color = scenario.color ?? false;
  const cli: Cli = {
    ...silentCli,
    terminal: {
      out: { color, write: (text) => void (stdout += text) },
      err: { color, write: (text) => void (stderr += text) },
      in: {
        isTerminal: scenario.isTerminal ?? false,
        readLine: () => Promise.resolve(scenario.typed),
      },
    },
    connect: () => Promise.resolve(createClient({ request })),
  };

  const code = await run(argv, cli);
  return { code, stdout, stderr, requests };
}

/** A transport that answers from a table and records what it is asked. */
export function answerFrom(answers: Readonly<Record<string, unknown>>): {
  readonly request: Transport['request'];
  readonly requests: Requests;
} {
  const requests: (string | readonly [string, unknown])[] = [];
  const request = ({ method, path, body }: ApiRequest): Promise<ApiResponse> => {
    const asked = `${method} ${path.replace('/api/v1', '')}`;
    requests.push(body === undefined ? asked : [asked, JSON.parse(body)]);
    const found = answers[asked] ?? {};
    return Promise.resolve(
      isRefusal(found)
        ? { status: found.status, body: JSON.stringify({ type: '', title: 'Refused', ...found }) }
        : { status: 200, body: JSON.stringify(found) },
    );
  };
  return { request, requests };
}

function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'detail' in value;
}
