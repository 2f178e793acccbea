/** The tables of nodes and of their routes. */
import type { Node } from '@malla/api/v1/schemas';
import { keyBytes, parseKey } from '@malla/keys/key';
import type { Cell, Table } from '../output/table.ts';
import { formatTime, isPast } from '../output/time.ts';

/** All nodes at `now` (Unix ms). */
export function nodeTable(nodes: readonly Node[], now: number): Table {
  return {
    header: [
      'ID',
      'Hostname',
      'Name',
      'MachineKey',
      'NodeKey',
      'User',
      'Tags',
      'IP addresses',
      'Ephemeral',
      'Last seen',
      'Expiration',
      'Connected',
      'Expired',
    ],
    rows: nodes.map((node) => [
      node.id,
      node.name,
      node.givenName,
      shortKey('mkey', node.machineKey),
      shortKey('nodekey', node.nodeKey),
      ownerOf(node),
      node.tags.join('\n'),
      node.ipAddresses.join(', '),
      String(node.preAuthKey?.ephemeral ?? false),
      node.lastSeen === null ? '' : formatTime(node.lastSeen),
      node.expiry === null ? 'N/A' : formatTime(node.expiry),
      good(node.online, 'online', 'offline'),
      good(node.expiry === null || !isPast(node.expiry, now), 'no', 'yes'),
    ]),
  };
}

/** What nodes offer, what is approved, and what they serve. */
export function routeTable(nodes: readonly Node[]): Table {
  return {
    header: ['ID', 'Hostname', 'Approved', 'Available', 'Serving (Primary)'],
    rows: nodes.map((node) => [
      node.id,
      node.givenName,
      inOrderOf(node.availableRoutes, node.approvedRoutes).join('\n'),
      node.availableRoutes.join('\n'),
      inOrderOf(node.availableRoutes, node.subnetRoutes).join('\n'),
    ]),
  };
}

/** Routes in the order of the column beside them; what is not in it stands at the end. */
function inOrderOf(column: readonly string[], routes: readonly string[]): readonly string[] {
  const place = (route: string): number => {
    const found = column.indexOf(route);
    return found < 0 ? column.length : found;
  };
  return routes.toSorted((a, b) => place(a) - place(b));
}

/** Clients show tagged nodes under this user. */
const TAGGED_DEVICES = 'tagged-devices';

function ownerOf({ user, tags }: Node): string {
  return user?.name ?? (tags.length > 0 ? TAGGED_DEVICES : '');
}

/** `[AbCdE]`: five characters of base64, as clients log their keys. */
function shortKey(prefix: 'mkey' | 'nodekey', text: string): string {
  const key = parseKey(prefix, text);
  return key.ok ? `[${keyBytes(key.value).toBase64().slice(0, 5)}]` : '';
}

function good(isGood: boolean, yes: string, no: string): Cell {
  return isGood ? { text: yes, color: 'green' } : { text: no, color: 'red' };
}
