/** What the policy engines of a server are made with. */
import { nodeSha256 } from '@malla/platform/crypto/sha256';
import type { EngineOptions } from '@malla/policy/contract';

/** Where clients ask about an SSH connection of a check rule; they fill in the variables. */
const SSH_ACTION_PATH = '/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER';

/** The options; without `choose` routers are taken as they come. */
export function engineOptionsOf(
  config: { readonly serverUrl: string },
  choose?: EngineOptions['choose'],
): EngineOptions {
  return { sshActionUrl: `${config.serverUrl}${SSH_ACTION_PATH}`, choose, sha256: nodeSha256 };
}
