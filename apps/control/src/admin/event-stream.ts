/**
 * What happens to the tailnet, for who watches it: `GET /api/v1/events`, server-sent events (WHATWG HTML §9.2).
 * An event says what has changed and not how: whoever shows it asks for that with the calls there are.
 *
 * Nobody is sent what happened before. One that reads too slowly is ended, and begins anew.
 */
import { utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import type { TailnetEvent, TailnetEvents } from '../events.ts';

/** Watchers at once. */
const MAX_STREAMS = 100;
/** Bytes that may wait for one. */
const MAX_WAITING_BYTES = 256 * 1024;
/** After which a comment says that the stream is alive, ms: proxies end what is silent for a minute. */
const KEEP_ALIVE_MS = 25_000;

export interface EventStreamDeps {
  readonly events: TailnetEvents;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
}

/** One event, as text and as data. */
export interface SentEvent {
  readonly event: 'row' | 'presence' | 'routes' | 'policy' | 'login' | 'ssh-check';
  readonly data: Readonly<Record<string, unknown>>;
}

export class EventStreams {
  readonly #deps: EventStreamDeps;
  #open = 0;

  constructor(deps: EventStreamDeps) {
    this.#deps = deps;
  }

  get open(): number {
    return this.#open;
  }

  /**
   * Begins a stream, which ends when `isAllowed` no longer says yes. Throws MallaError `server.busy` where
   * there are too many.
   */
  begin(isAllowed: () => boolean): Response {
    if (this.#open >= MAX_STREAMS) {
      throw new MallaError('server.busy', `${MAX_STREAMS} others watch already`);
    }
    this.#open++;
    let end: () => void;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          let cancel: () => void;
          const say = (text: string): void => {
            cancel?.();
            if (isAllowed() && (controller.desiredSize ?? 0) > 0) {
              controller.enqueue(utf8(text));
              cancel = this.#deps.after(KEEP_ALIVE_MS, () => say(':\n\n'));
              return;
            }
            end();
            controller.close();
          };
          const leave = this.#deps.events.onAny((event) => {
            for (const sent of sentEvents(event)) say(formatEvent(sent));
          });
          end = () => {
            leave();
            cancel();
            this.#open--;
            end = () => {};
          };
          say(':\n\n');
        },
        cancel: () => end(),
      },
      { highWaterMark: MAX_WAITING_BYTES, size: (piece) => piece.length },
    );
    return new Response(body, {
      headers: {
        'Content-Type': 'text/event-stream; charset=utf-8',
        // nginx would gather what it passes on.
        'X-Accel-Buffering': 'no',
      },
    });
  }
}

/** What watchers are told of an event. Nothing that a device says of itself is passed on unasked. */
export function sentEvents(happened: TailnetEvent): readonly SentEvent[] {
  switch (happened.kind) {
    case 'rows':
      return happened.changes
        .filter(({ table }) => table !== 'audit')
        .map(({ table, id, after }) => ({
          event: 'row',
          data: { table, id: String(id), deleted: after === undefined },
        }));
    case 'presence': {
      const { event } = happened;
      if (event.kind !== 'turned') return [];
      return [{ event: 'presence', data: { nodeId: String(event.id), online: event.online } }];
    }
    case 'served':
      return [{ event: 'routes', data: { nodeIds: [...happened.nodes].map(String) } }];
    case 'policy':
      return [{ event: 'policy', data: {} }];
    case 'login': {
      const { event } = happened;
      const authId = event.state === 'waiting' ? event.request.id : event.id;
      return [{ event: 'login', data: { authId, state: event.state } }];
    }
    case 'ssh-check': {
      const { id, state, source, destination } = happened.check;
      const data = { authId: id, state, source: String(source), destination: String(destination) };
      return [{ event: 'ssh-check', data }];
    }
    case 'posture':
      return [];
  }
}

function formatEvent({ event, data }: SentEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
