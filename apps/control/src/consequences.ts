/**
 * What follows from what in a tailnet: the parts hear of each other's doings here and nowhere else, in this
 * order.
 */
import { isStoreFault } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { Node, NodeId } from '@malla/netmap/node';
import { differenceOf, Differs } from '@malla/netmap/node-difference';
import type { Access } from './access/access.ts';
import type { PostureCollector } from './access/posture.ts';
import type { Change } from './core/change.ts';
import { sawNodes } from './core/map-update.ts';
import { approveAutomatically, mayBeApproved } from './core/route-approval.ts';
import type { TailnetDns } from './dns/tailnet-dns.ts';
import type { TailnetEvents } from './events.ts';
import { Common } from './fanout/change-log.ts';
import type { Fanout } from './fanout/fanout.ts';
import type { Ledger } from './ledger.ts';
import type { ExpiryWatch } from './liveness/expiry.ts';
import type { PendingLogins } from './logins/pending-logins.ts';
import type { Presences } from './liveness/presences.ts';
import type { Reports } from './machine/reports.ts';
import type { Routes } from './routing/served-routes.ts';
import type { SshChecks } from './ssh/checks.ts';

/** Who hears of something, or is told of it. */
export interface ConsequencesParts {
  readonly events: TailnetEvents;
  readonly ledger: Ledger;
  readonly access: Access;
  readonly fanout: Fanout;
  readonly routes: Routes;
  readonly presences: Presences;
  readonly reports: Reports;
  readonly pendingLogins: PendingLogins;
  readonly posture: PostureCollector;
  readonly expiry: ExpiryWatch;
  readonly sshChecks: SshChecks;
  readonly dns: TailnetDns;
  readonly log: Logger;
  readonly journal: Logger;
}

export class Consequences {
  readonly #parts: ConsequencesParts;

  constructor(parts: ConsequencesParts) {
    this.#parts = parts;
    this.#subscribe();
  }

  /** Names are others now: everyone is told. */
  dnsChanged(): void {
    const { dns, fanout } = this.#parts;
    if (dns.isShared) fanout.commonChanged(Common.dns);
    else fanout.ownChanged([...fanout.streams()].map(({ nodeId }) => nodeId));
  }

  /** They are told that their keys have expired, then their streams end; peers know, in one message. */
  endExpired(nodes: readonly Node[]): void {
    const { fanout, presences, sshChecks } = this.#parts;
    for (const node of nodes) {
      presences.end(node.id);
      fanout.presenceChanged(node, true);
    }
    fanout.tell(nodes.map(({ id }) => id));
    for (const { id } of nodes) fanout.close(fanout.stream(id));
    sshChecks.standingChanged(new Set(nodes.map(({ id }) => id)));
  }

  /** Adds to the approved routes what the policy approves by itself. */
  approveRoutes(ids: readonly NodeId[]): void {
    const { access, journal, ledger, log } = this.#parts;
    const { engine } = access;
    if (engine === undefined) return;
    const offering = ids.filter((id) => engine.node(id)?.announced.length);
    if (offering.length === 0) return;
    void ledger
      .execute((state) => approveAutomatically(state, offering, access.autoApproved))
      .then((nodes) => {
        for (const { id: node, name, approvedRoutes: routes } of nodes) {
          journal.info({ node, name, routes }, 'routes of a node approved by the policy');
        }
      })
      .catch((error: unknown) => log.error({ err: error }, 'routes not approved automatically'));
  }

  #subscribe(): void {
    const { events, access, fanout, routes, presences, sshChecks } = this.#parts;
    const { state } = this.#parts.ledger;
    // Whatever it had yet to do for an event is not done: whoever was told of it in part begins anew.
    const beginAnew = (error: unknown): void => {
      this.#parts.log.error({ err: error }, 'a change was not told: all streams begin anew');
      access.rebuild();
      fanout.restart(access.rules, state.nodes());
    };
    events.on('rows', ({ changes }) => fanout.apply(changes, access.apply(changes)), beginAnew);
    events.on('rows', ({ changes }) => this.#tellNames(changes), beginAnew);
    events.on('rows', ({ changes }) => this.#takeNodes(changes), beginAnew);
    events.on('rows', ({ changes }) => this.approveRoutes(mayBeApprovedOf(changes)));
    events.on('rows', ({ changes }) => this.#lookAtSshChecks(changes));
    events.on('rows', ({ changes }) => this.#noteWithdrawn(changes));
    events.on('served', ({ nodes }) => fanout.servedChanged(nodes), beginAnew);
    events.on(
      'posture',
      ({ node: id }) => {
        const node = state.node(id);
        if (node !== undefined) fanout.apply([], access.postureChanged(node));
      },
      beginAnew,
    );
    events.on('posture', () => sshChecks.standingChanged());
    events.on(
      'presence',
      ({ event }) => {
        const node = state.node(event.id);
        if (event.kind === 'turned' && node !== undefined) fanout.presenceChanged(node);
      },
      beginAnew,
    );
    events.on('presence', ({ event }) => {
      if (event.kind === 'turned') routes.presenceChanged(event.id, event.online);
      else if (event.open) routes.streamOpened(event.id);
      else routes.streamsEnded(event.id);
    });
    events.on('presence', ({ event }) => {
      const node = state.node(event.id);
      if (node === undefined) return;
      if (event.kind === 'turned') this.#parts.expiry.presenceChanged(node);
      if (event.kind === 'turned' && !event.online) {
        this.#noteLastSeen(event.id, presences.of(event.id, undefined).lastSeen);
      } else if (event.kind === 'stream' && event.open) {
        this.#parts.posture.connected(event.id);
      }
    });
  }

  /** Other names, for all or for some. */
  #tellNames(changes: readonly Change[]): void {
    const { dns, fanout } = this.#parts;
    if (dns.apply(changes)) this.dnsChanged();
    for (const { table, id, before, after } of changes) {
      if (table !== 'node' || before === undefined || after === undefined) continue;
      if (dns.concerns(before, after)) fanout.ownChanged([id]);
    }
  }

  /** What is kept of nodes beside their rows. */
  #takeNodes(changes: readonly Change[]): void {
    const { expiry, pendingLogins, posture, presences, reports, routes } = this.#parts;
    const expired: Node[] = [];
    for (const change of changes) {
      if (change.table !== 'node') continue;
      const { id, after } = change;
      if (expiry.changed(id, after) && after !== undefined) expired.push(after);
      if (after === undefined) {
        presences.remove(id);
        reports.removed(id);
        posture.remove(id);
        routes.nodeRemoved(id);
      } else {
        routes.nodeChanged(after);
        if (change.before?.nodeKey !== after.nodeKey) {
          pendingLogins.keyTaken(after.nodeKey, after.machineKey);
        }
      }
    }
    if (expired.length > 0) this.endExpired(expired);
  }

  /** Whether a connection may be made can differ with who its ends are. */
  #lookAtSshChecks(changes: readonly Change[]): void {
    const { sshChecks } = this.#parts;
    if (changes.some(({ table }) => table === 'user')) return sshChecks.standingChanged();
    const others = changes.flatMap((change) =>
      change.table === 'node' && isAnother(change.before, change.after) ? [change.id] : [],
    );
    if (others.length > 0) sshChecks.standingChanged(new Set(others));
  }

  /** Of a node with another owner: an administrator may want to approve them anew. */
  #noteWithdrawn(changes: readonly Change[]): void {
    for (const { table, id: node, before, after } of changes) {
      if (table !== 'node' || before === undefined || after === undefined) continue;
      if ((differenceOf(before, after) & Differs.owner) === 0) continue;
      const approved = new Set(after.approvedRoutes);
      const routes = before.approvedRoutes.filter((route) => !approved.has(route));
      if (routes.length === 0) continue;
      const { name } = after;
      this.#parts.journal.info(
        { node, name, routes },
        'routes of a node approved no longer: its owner is another',
      );
    }
  }

  #noteLastSeen(id: NodeId, at: number | undefined): void {
    const { ledger, log } = this.#parts;
    void ledger
      .executeLate((state, { now }) => {
        const present = state.node(id);
        return sawNodes(present === undefined ? [] : [present], () => at ?? now);
      })
      .catch((error: unknown) => {
        if (isStoreFault(error)) return;
        log.error({ err: error, node: id }, 'last seen not noted');
      });
  }
}

/** Nodes that may have come to announce what the policy approves by itself. */
function mayBeApprovedOf(changes: readonly Change[]): readonly NodeId[] {
  return changes.flatMap((change) =>
    change.table === 'node' &&
    change.after !== undefined &&
    mayBeApproved(change.before, change.after)
      ? [change.id]
      : [],
  );
}

const WHO = Differs.key | Differs.owner | Differs.expiry | Differs.addresses | Differs.hostinfo;

/** Whether the policy may say something else of a node now: who it is, and not where. */
function isAnother(before: Node | undefined, after: Node | undefined): boolean {
  if (before === undefined || after === undefined) return before !== after;
  return (differenceOf(before, after) & WHO) !== 0;
}
