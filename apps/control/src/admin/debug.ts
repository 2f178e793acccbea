/** REST handlers for whoever tests or debugs a tailnet. */
import { MallaError } from '@malla/base/error';
import { decodeHttpResponse } from '@malla/platform/http/http-response';
import { parseRoutes } from '../core/route-approval.ts';
import { meantUser } from '../core/users.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { idOf } from './input.ts';
import { timeView, userView } from './row-views.ts';

export function debugHandlers({
  logins,
  c2n,
  ledger,
  now,
  log,
}: AdminDeps): HandlersOf<'debugCreateNode' | 'debugC2n'> {
  return {
    /** Answers with the node that it would become: until it is registered it has no id. */
    async debugCreateNode({ user: userName, key, name, routes }, { name: author }) {
      const user = meantUser(ledger.state, userName);
      const offered = parseRoutes(routes);
      const device = await logins.simulate({ authId: key, name, routes: offered });
      log.info({ author, authId: key, name }, 'login made up for a test');
      return {
        node: {
          id: '0',
          machineKey: device.machineKey,
          nodeKey: device.nodeKey,
          discoKey: `discokey:${'0'.repeat(64)}`,
          ipAddresses: [],
          name,
          user: userView(user),
          lastSeen: null,
          expiry: null,
          preAuthKey: null,
          createdAt: timeView(now()),
          registerMethod: 'REGISTER_METHOD_UNSPECIFIED',
          givenName: '',
          online: false,
          approvedRoutes: [],
          availableRoutes: [...offered],
          subnetRoutes: [],
          tags: [],
        },
      };
    },

    async debugC2n({ nodeId, method, path, body }, { name: author }) {
      const bytes = await c2n.request(idOf(nodeId), method, path, body);
      log.info({ author, node: idOf(nodeId), method, path }, 'request sent to a client');
      const response = decodeHttpResponse(bytes);
      if (!response.ok)
        throw new MallaError('node.bad-answer', 'the client answered no HTTP response');
      return response.value;
    },
  };
}
