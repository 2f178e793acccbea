/** REST handlers: nodes. */
import { MallaError } from '@malla/base/error';
import type { AnswerOf } from '@malla/api/routes';
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
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';
import { idOf, isZeroTime, timeOf } from './input.ts';
import { auditEntryView, nodeView } from './views.ts';

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
  const { ledger, store, auth, addresses, tags: tagPolicy } = deps;
  const { state } = ledger;
  const answer = (node: Node): AnswerOf<'getNode'> => ({
    node: nodeView(deps, node),
  });
  return {
    listNodes({ user }) {
      const nodes = [...(user === undefined ? state.nodes() : nodesOf(user))];
      nodes.sort((a, b) => a.id - b.id);
      return { nodes: nodes.map((node) => nodeView(deps, node)) };
    },

    getNode({ nodeId }) {
      return answer(knownNode(state, idOf(nodeId)));
    },

    async deleteNode({ nodeId }) {
      await ledger.execute((current) => deleteNode(current, idOf(nodeId)));
      return {};
    },

    async expireNode({ nodeId, expiry, disableExpiry }) {
      const at = timeOf(expiry);
      if (disableExpiry && at !== undefined) {
        throw new MallaError('node.expiry-invalid', 'cannot set both disableExpiry and expiry');
      }
      const when = disableExpiry || isZeroTime(expiry) ? 'never' : (at ?? 'now');
      return answer(
        await ledger.execute((current, context) => setExpiry(current, idOf(nodeId), when, context)),
      );
    },

    async renameNode({ nodeId, newName }) {
      return answer(await ledger.execute((current) => renameNode(current, idOf(nodeId), newName)));
    },

    async setTags({ nodeId, tags }) {
      return answer(
        await ledger.execute((current) => setTags(current, idOf(nodeId), tags, tagPolicy)),
      );
    },

    async setApprovedRoutes({ nodeId, routes }) {
      return answer(
        await ledger.execute((current) => setApprovedRoutes(current, idOf(nodeId), routes)),
      );
    },

    async registerNode({ user, key }) {
      return answer(await auth.register(key, user));
    },

    async backfillNodeIps({ confirmed }) {
      if (confirmed !== 'true') throw new MallaError('request.invalid', 'not confirmed, aborting');
      const changes = await ledger.execute((current, context) =>
        backfillAddresses(current, addresses, context),
      );
      return { changes: [...changes] };
    },

    async listNodeAudit({ nodeId, limit }) {
      const node = knownNode(state, idOf(nodeId));
      const entries = await store.auditEntries(node.id, Number(limit));
      return { entries: entries.map(auditEntryView) };
    },
  };

  function nodesOf(userName: string): readonly Node[] {
    return state.nodesOfUser(meantUser(state, userName).id);
  }
}
