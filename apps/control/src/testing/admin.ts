/** For tests of the administrators' API: the real application over a store in memory, no network. */
import { FIRST_TAILNET } from '@malla/netmap/user';
import { type Client, createClient } from '@malla/api/v1/client';
import { type Logger, silentLogger } from '@malla/base/logger';
import type { MallaError } from '@malla/base/error';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import { Routing } from '@malla/netmap/routing/primaries';
import { NO_DNS } from '@malla/netmap/tailcfg-dns';
import { adminApp } from '../admin/app.ts';
import type { AdminDeps, C2n } from '../admin/deps.ts';
import { createBudgets } from '../budgets.ts';
import type { TailnetConfig } from '../config/config.ts';
import type { AddressPlan } from '../core/addresses.ts';
import { createApiKey } from '../core/api-keys.ts';
import { decide } from '../core/change.ts';
import { announcedPrefixes, approvedPrefixes } from '../core/route-approval.ts';
import { State } from '../core/state.ts';
import { NO_TAG_POLICY } from '../core/tags.ts';
import { TailnetEvents } from '../events.ts';
import { TailnetDns } from '../dns/tailnet-dns.ts';
import { Ledger } from '../ledger.ts';
import { PendingLogins } from '../logins/pending-logins.ts';
import { createLogins } from '../logins/decisions.ts';
import { PolicyHolder } from '../policy/holder.ts';
import { membersOf } from '../policy/members.ts';
import { openMemoryStore } from '../store/open.ts';
import { SshChecks, type SshVerdict } from '../ssh/checks.ts';
import { countingRandom, testNode } from './rows.ts';
import { operatorCommands } from '../operator-commands.ts';

export interface TestAdmin {
  readonly deps: AdminDeps;
  readonly client: Client;
  readonly online: Set<NodeId>;
  readonly sshChecks: SshChecks;
  /** What the policy says of every SSH connection. */
  sshVerdict: SshVerdict;
  /** Unix ms; tests move it. */
  now: number;
  /** A request as a trusted caller makes it, or from outside with this `Authorization`. */
  request(
    method: string,
    path: string,
    options?: { readonly body?: unknown; readonly outside?: { readonly authorization?: string } },
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: unknown }>;
  /** An API key that is good for ever. */
  apiKey(): Promise<string>;
  /** Adds a node without its registration. */
  addNode(replaced?: Partial<Node>): Promise<Node>;
  close(): Promise<void>;
}

/** Starts one. What is given replaces clients that answer nothing, a silent log, the usual prefixes. */
export function createAdmin(
  given: { readonly c2n?: C2n; readonly log?: Logger; readonly addresses?: AddressPlan } = {},
): TestAdmin {
  const store = openMemoryStore();
  const random = countingRandom();
  const online = new Set<NodeId>();
  const now = (): number => admin.now;
  const ledger = new Ledger({ tailnet: FIRST_TAILNET, state: new State(), store, now, random });
  const events = new TailnetEvents(silentLogger);
  ledger.onChanges((changes) => events.tell({ kind: 'rows', changes }));
  const addresses = given.addresses ?? {
    v4: prefix('100.64.0.0/10'),
    v6: prefix('fd7a:115c:a1e0::/48'),
    allocation: 'sequential',
  };
  const budgets = createBudgets(silentLogger, now, { waitingLogins: 16 });
  const logins = new PendingLogins({
    onEvent: (event) => events.tell({ kind: 'login', event }),
    entries: budgets.logins,
    bytes: budgets.loginBytes,
    lifetimeMs: 900_000,
    now,
    random,
  });
  const log = given.log ?? silentLogger;
  const sshChecks = new SshChecks({
    budget: budgets.sshChecks,
    onCheck: (check) => events.tell({ kind: 'ssh-check', check }),
    approval: operatorCommands('malla').approve,
    node: (id) => ledger.state.node(id),
    verdict: () => admin.sshVerdict,
    lifetimeMs: 900_000,
    now,
    random,
    after: () => () => {},
    log,
  });
  const dns = new TailnetDns({
    settings: { ...NO_DNS, magicDns: true, baseDomain: 'tailnet.example.org' },
    prefixes: [],
    wildcard: false,
    fixed: [{ name: 'fixed.example', type: 'A', value: '192.0.2.1' }],
    stored: [],
  });
  ledger.onChanges((changes) => void dns.apply(changes));
  const members = membersOf(ledger.state);
  const engineOptions = { sshActionUrl: 'https://unused/' };
  const configured: TailnetConfig['policy'] = { default: 'allow-all', source: 'database' };
  const holder = new PolicyHolder({
    tailnet: FIRST_TAILNET,
    source: configured.source,
    ledger,
    onRows: (listener) => ledger.onChanges(listener),
    store,
    members: () => members,
    engineOptions,
    onChange: () => undefined,
    now,
    log,
  });
  const deps: AdminDeps = {
    ledger,
    store,
    logins: createLogins(
      logins,
      sshChecks,
      ledger,
      {
        addresses,
        nodeExpiryMs: 0,
        maxNodesPerUser: 0,
        tags: NO_TAG_POLICY,
        isRecord: () => false,
      },
      operatorCommands('malla'),
      random,
    ),
    dns,
    policy: {
      monotonic: () => performance.now(),
      holder,
      configured,
      engine: () => undefined,
      members: () => members,
      engineOptions,
      state: ledger.state,
    },
    c2n: given.c2n ?? { request: () => Promise.reject(new Error('no client is connected')) },
    addresses,
    tags: NO_TAG_POLICY,
    autoApproved: () => [],
    isOnline: (id) => online.has(id),
    servedBy: (id) => {
      const routing = new Routing();
      for (const node of ledger.state.nodes()) {
        routing.update(node.id, announcedPrefixes(node), approvedPrefixes(node));
        routing.setOnline(node.id, online.has(node.id));
      }
      return routing.servedBy(id).map(formatPrefix);
    },
    events,
    now,
    after: () => () => {},
    log,
    version: '0.0.0-test',
  };
  const inside = adminApp(deps, { authenticate: false });
  const outside = adminApp(deps, { authenticate: true });
  const admin: TestAdmin = {
    deps,
    online,
    sshChecks,
    sshVerdict: { kind: 'refuse' },
    now: Date.UTC(2026, 10, 21),
    client: createClient({
      request: async ({ method, path, body }) => {
        const response = await inside.request(path, { method, body: body ?? null });
        return { status: response.status, body: await response.text() };
      },
    }),
    async request(method, path, options = {}) {
      const { authorization } = options.outside ?? {};
      const response = await (options.outside === undefined ? inside : outside).request(path, {
        method,
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(authorization === undefined ? {} : { headers: { authorization } }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      const { status, headers } = response;
      return { status, headers, body: isJson && text !== '' ? JSON.parse(text) : text };
    },
    async apiKey() {
      const { text } = await ledger.execute((state, context) =>
        createApiKey(state, undefined, context),
      );
      return text;
    },
    addNode: (replaced) =>
      ledger.execute((state) => {
        const after = testNode(state.nextId('node'), replaced);
        return decide([{ table: 'node', id: after.id, before: undefined, after }], after);
      }),
    close: () => store.close(),
  };
  return admin;
}

/** The code and message of the refusal that a call ends in. */
export async function refused(call: Promise<unknown>): Promise<readonly [string, string]> {
  try {
    await call;
  } catch (error) {
    const { code, message } = error as MallaError;
    return [code, message];
  }
  throw new Error('nothing was refused');
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text} is no prefix`);
  return parsed.value;
}
