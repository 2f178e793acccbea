/**
 * What happens to a tailnet, as one stream that anybody may listen to: the parts of the server, and whoever
 * watches from outside. An event says what is true when it is told; nothing that could be taken back is told.
 */
import type { Logger } from '@malla/base/logger';
import { type Listener, Listeners } from '@malla/base/listeners';
import type { NodeId } from '@malla/netmap/node';
import type { Change } from './core/change.ts';
import type { LoginEvent } from './logins/pending-logins.ts';
import type { PresenceEvent } from './liveness/presence.ts';
import type { SshCheck } from './ssh/checks.ts';

export type TailnetEvent =
  /** Rows have changed, one change for each. */
  | { readonly kind: 'rows'; readonly changes: readonly Change[] }
  /** A node went online or offline, a stream opened or the last one ended. */
  | { readonly kind: 'presence'; readonly event: PresenceEvent }
  /** What these nodes serve has changed, or who is sent to them for it. */
  | { readonly kind: 'served'; readonly nodes: ReadonlySet<NodeId> }
  /** What these nodes were asked of their device's posture has changed. */
  | { readonly kind: 'posture'; readonly node: NodeId }
  /** Another policy is in force, or none is any more. */
  | { readonly kind: 'policy' }
  /** A device waits to be let in, or no longer. */
  | { readonly kind: 'login'; readonly event: LoginEvent }
  /** An SSH connection waits for approval, was approved or rejected. */
  | { readonly kind: 'ssh-check'; readonly check: SshCheck };

export type EventKind = TailnetEvent['kind'];
/** The events of a kind. */
export type EventOf<Kind extends EventKind> = Extract<TailnetEvent, { readonly kind: Kind }>;

export class TailnetEvents {
  readonly #listeners: Listeners<TailnetEvent>;

  constructor(log: Logger) {
    this.#listeners = new Listeners((error) => log.error({ err: error }, 'listener failed'));
  }

  /** Told after everything that the parts of the server do with it. The returned function ends it. */
  onAny(listener: Listener<TailnetEvent>): () => void {
    return this.#listeners.add(listener);
  }

  /** Hears of one kind of event. `onError`: it has thrown, so whatever it had yet to do is not done. */
  on<Kind extends EventKind>(
    kind: Kind,
    listener: Listener<EventOf<Kind>>,
    onError?: (error: unknown) => void,
  ): () => void {
    return this.#listeners.add((event) => {
      if (event.kind === kind) listener(event as EventOf<Kind>);
    }, onError);
  }

  tell(event: TailnetEvent): void {
    this.#listeners.tell(event);
  }
}
