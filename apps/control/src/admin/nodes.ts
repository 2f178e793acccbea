/** REST handlers: nodes. */
import { MallaError } from '@malla/base/error';
import type { AnswerOf } from '@malla/api/v1/routes';
import type { Node } from '@malla/netmap/node';
import { backfillAddresses } from '../core/addresses.ts';
import {
  deleteNode,
  knownNode,
  renameNode,
  setApprovedRoutes,
  setExpiry,
  setTags,
} from '../core/nodes.ts';
import { meantUser } from '../core/users.ts';
import { pastedAuthId } from '../core/pending-id.ts';
import type { AdminDeps } from './deps.ts';
import { logRegistered } from './auth.ts';
import type { HandlersOf } from './handler.ts';
import { idOf, isZeroTime, timeOf } from './input.ts';
import { auditEntryView, listedNodeView, nodeView, timeView } from './row-views.ts';

export function nodeHandlers(
  deps: AdminDeps,
): HandlersOf<
  | 'listNodes'
  | 'getNode'
  | 'deleteNode'
  | 'expireNode'
  | 'renameNode'
  | 'setTags'
  | 'setApprovedRoutes'
  | 'registerNode'
  | 'backfillNodeIps'
  | 'listNodeAudit'
> {
  const { ledger, store, logins, dns, addresses, tags: tagPolicy, autoApproved, log } = deps;
  const { state } = ledger;
  const answer = (node: Node): AnswerOf<'getNode'> => ({
    node: nodeView(deps, node),
  });
  return {
    listNodes({ user }) {
      const nodes = [...(user === undefined ? state.nodes() : nodesOf(user))];
      nodes.sort((a, b) => a.id - b.id);
      return { nodes: nodes.map((node) => listedNodeView(deps, node)) };
    },

    getNode({ nodeId }) {
      return answer(knownNode(state, idOf(nodeId)));
    },

    async deleteNode({ nodeId }, { name: author }) {
      const { id, name } = await ledger.execute((current) => deleteNode(current, idOf(nodeId)));
      log.info({ author, node: id, name }, 'node deleted');
      return {};
    },

    async expireNode({ nodeId, expiry, disableExpiry }, { name: author }) {
      const at = timeOf(expiry);
      if (disableExpiry && at !== undefined) {
        throw new MallaError('node.expiry-invalid', 'cannot set both disableExpiry and expiry');
      }
      const when = disableExpiry || isZeroTime(expiry) ? 'never' : (at ?? 'now');
      const node = await ledger.execute((current, context) =>
        setExpiry(current, idOf(nodeId), when, context),
      );
      const until = node.expiry === undefined ? 'never' : timeView(node.expiry);
      log.info({ author, node: node.id, name: node.name, until }, 'expiry of a node set');
      return answer(node);
    },

    async renameNode({ nodeId, newName }, { name: author }) {
      const was = state.node(idOf(nodeId))?.name;
      const node = await ledger.execute((current) =>
        renameNode(current, idOf(nodeId), newName, dns.isRecord),
      );
      log.info({ author, node: node.id, name: node.name, was }, 'node renamed');
      return answer(node);
    },

    async setTags({ nodeId, tags: wanted }, { name: author }) {
      const node = await ledger.execute((current) =>
        setTags(current, idOf(nodeId), wanted, tagPolicy, autoApproved),
      );
      const { id, name, tags } = node;
      log.info({ author, node: id, name, tags }, 'tags of a node set');
      return answer(node);
    },

    async setApprovedRoutes({ nodeId, routes: wanted }, { name: author }) {
      const node = await ledger.execute((current) =>
        setApprovedRoutes(current, idOf(nodeId), wanted),
      );
      const { id, name, approvedRoutes: routes } = node;
      log.info({ author, node: id, name, routes }, 'routes of a node approved');
      return answer(node);
    },

    async registerNode({ user, key }, { name: author }) {
      const node = await logins.register(pastedAuthId(key), user);
      logRegistered(deps, node, author);
      return answer(node);
    },

    async backfillNodeIps({ confirmed }, { name: author }) {
      if (confirmed !== 'true') throw new MallaError('request.invalid', 'not confirmed, aborting');
      const changes = await ledger.execute((current, context) =>
        backfillAddresses(current, addresses, context),
      );
      log.info({ author, changes: changes.length }, 'addresses of nodes filled in');
      return { changes: [...changes] };
    },

    async listNodeAudit({ nodeId, limit }) {
      const node = knownNode(state, idOf(nodeId));
      const entries = await store.auditEntries(node.tailnet, node.id, Number(limit));
      return { entries: entries.map(auditEntryView) };
    },
  };

  function nodesOf(userName: string): readonly Node[] {
    return state.nodesOfUser(meantUser(state, userName).id);
  }
}
