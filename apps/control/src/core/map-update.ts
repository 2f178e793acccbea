/**
 * What a node reports about itself while it is connected: keys of path discovery, endpoints, home
 * relay, host information. It reports them again after every reconnect, so they are told to peers at
 * once and stored soon; only a changed name must be stored before it is answered.
 */
import { sameJson } from '@malla/base/same-json';
import type { DiscoPublic } from '@malla/keys/key';
import type { Node } from '@malla/netmap/node';
import { differenceOf } from '@malla/netmap/node-difference';
import { type Hostinfo, preferredDerp } from '@malla/wire/tailcfg/hostinfo';
import { type Change, decide, decideSoon, type Decision } from './change.ts';
import { freeName, type IsRecord } from './node-name.ts';
import type { State } from './state.ts';

/** Absent fields leave what is known. */
export interface Report {
  readonly capVersion: number;
  readonly discoKey: DiscoPublic | undefined;
  readonly hostinfo: Hostinfo | undefined;
  readonly endpoints: readonly string[];
}

/** Takes over a node's report. */
export function reportNode(
  state: State,
  node: Node,
  report: Report,
  isRecord: IsRecord,
): Decision<Node> {
  const hostinfo = report.hostinfo ?? node.hostinfo;
  const hostname = hostinfo.Hostname ?? node.hostname;
  const after: Node = {
    ...node,
    capVersion: report.capVersion,
    discoKey: report.discoKey ?? node.discoKey,
    hostinfo: sameJson(hostinfo, node.hostinfo) ? node.hostinfo : hostinfo,
    homeDerp: preferredDerp(hostinfo) || node.homeDerp,
    endpoints: sameJson(report.endpoints, node.endpoints) ? node.endpoints : report.endpoints,
    hostname,
    name:
      hostname === node.hostname || node.nameIsFixed
        ? node.name
        : freeName(state, hostname, node.id, isRecord),
  };
  if (differenceOf(node, after) === 0) return decideSoon([], node);
  const changes: Change[] = [{ table: 'node', id: node.id, before: node, after }];
  return after.name === node.name ? decideSoon(changes, after) : decide(changes, after);
}

/** Notes when nodes were last heard of, Unix ms. */
export function sawNodes(nodes: readonly Node[], at: (node: Node) => number): Decision<void> {
  const changes = nodes.map((before): Change => {
    const after = { ...before, lastSeen: Math.max(at(before), before.lastSeen ?? 0) };
    return { table: 'node', id: before.id, before, after };
  });
  return decideSoon(changes, undefined);
}
