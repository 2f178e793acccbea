/**
 * One tailnet at work: its state and ledger, who is online, what each stream must be told, and what
 * time does to it. No listener and no clock of its own: control.ts gives it both, and tests give it
 * simulated ones.
 */
import type { TailnetId } from '@malla/netmap/user';
import { isStoreFault } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { DnsRecord } from '@malla/netmap/dns-record';
import type { EngineOptions } from '@malla/policy/contract';
import type { Policy } from '@malla/policy/policy';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import { Access } from './access/access.ts';
import { PolicySwap } from './access/policy-swap.ts';
import { PostureCollector } from './access/posture.ts';
import type { LoginDecisions } from './logins/decisions.ts';
import type { Budgets } from './budgets.ts';
import type { TailnetConfig } from './config/config.ts';
import { Consequences } from './consequences.ts';
import { sawNodes } from './core/map-update.ts';
import { giveUpReservedNames } from './core/node-name.ts';
import { purgeRevokedKeys } from './core/purge.ts';
import { ownerOf } from './core/addresses.ts';
import type { RegistrationRules } from './core/registration.ts';
import { State } from './core/state.ts';
import { TailnetDns } from './dns/tailnet-dns.ts';
import { TailnetEvents } from './events.ts';
import { Common } from './fanout/change-log.ts';
import type { RulesChange } from './fanout/class-views.ts';
import type { Facts } from './fanout/class-view.ts';
import { Fanout } from './fanout/fanout.ts';
import type { Compress } from './fanout/message.ts';
import { Ledger } from './ledger.ts';
import { PendingLogins } from './logins/pending-logins.ts';
import { C2nExchanges } from './machine/c2n.ts';
import type { MachineDeps } from './machine/deps.ts';
import { RegistrationPace } from './machine/registration-pace.ts';
import { Reports } from './machine/reports.ts';
import { ExpiryWatch } from './liveness/expiry.ts';
import { KeepAlives } from './liveness/keep-alives.ts';
import { createLogins } from './logins/decisions.ts';
import { Presences } from './liveness/presences.ts';
import type { OperatorCommands } from './operator-commands.ts';
import { engineOptionsOf } from './policy/engine-options.ts';
import { Routes } from './routing/served-routes.ts';
import { SshChecks } from './ssh/checks.ts';
import { sshVerdict } from './ssh/verdict.ts';
import type { Revision, Store } from './store/store.ts';
import { prefixesOf, prefixOf, TailnetMap } from './tailnet-map.ts';
import { type Duty, Upkeep } from './upkeep.ts';

/** The world, as far as a tailnet needs it. */
export interface World {
  /** Unix ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly monotonic: () => number;
  readonly random: RandomBytes;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly compress: Compress;
  readonly budgets: Budgets;
  readonly commands: OperatorCommands;
  /** As clients reach the server. */
  readonly serverUrl: string;
  /** How long what waits for an administrator does so, ms. */
  readonly loginLifetimeMs: number;
  /** Of what anybody can cause not every line is written. */
  readonly log: Logger;
  /** For what becomes of nodes, of which each line counts. */
  readonly journal: Logger;
}

/** After which rows that may be stored late are stored, ms. */
const SAVE_AFTER_MS = 2_000;
const PURGE_EVERY_MS = 3_600_000;
/** After a client has connected it is asked for its posture: its stream is only about to be there. */
const ASK_AFTER_MS = 1_000;

export class Tailnet {
  readonly id: TailnetId;
  /** What happens here, for whoever wants to hear of it. */
  readonly events: TailnetEvents;
  readonly ledger: Ledger;
  readonly access: Access;
  readonly engineOptions: EngineOptions;
  readonly fanout: Fanout;
  readonly presences: Presences;
  readonly routes: Routes;
  readonly pendingLogins: PendingLogins;
  readonly c2n: C2nExchanges;
  readonly reports: Reports;
  readonly sshChecks: SshChecks;
  readonly logins: LoginDecisions;
  readonly machine: MachineDeps;
  readonly map: TailnetMap;
  readonly dns: TailnetDns;
  readonly #world: World;
  readonly #posture: PostureCollector;
  readonly #expiry: ExpiryWatch;
  readonly #keepAlives: KeepAlives;
  readonly #consequences: Consequences;
  readonly #policies: PolicySwap<RulesChange | undefined>;
  readonly #upkeep: Upkeep;

  private constructor(
    own: TailnetId,
    config: TailnetConfig,
    store: Store,
    { state, revision }: { readonly state: State; readonly revision: Revision },
    derpMap: DerpMap,
    world: World,
  ) {
    this.id = own;
    this.#world = world;
    const events = new TailnetEvents(world.log);
    this.events = events;
    this.ledger = new Ledger({
      tailnet: own,
      state,
      store,
      revision,
      now: world.now,
      random: world.random,
    });
    this.ledger.onChanges((changes) => events.tell({ kind: 'rows', changes }));
    this.dns = new TailnetDns({
      settings: config.dns,
      prefixes: prefixesOf(config),
      wildcard: config.dns.magicDnsWildcard,
      fixed: config.dns.extraRecords,
      stored: state.dnsRecords(),
    });
    this.map = new TailnetMap(config, world.serverUrl, derpMap, this.dns);
    const clock = { now: world.monotonic, after: world.after };
    this.presences = new Presences({
      clock,
      wall: world.now,
      onEvent: (event) => events.tell({ kind: 'presence', event }),
    });
    this.routes = new Routes(
      {
        probe: config.node.routeProbe,
        random: world.random,
        now: world.now,
        monotonic: world.monotonic,
        after: world.after,
        isReady: (id) => this.fanout.stream(id)?.started === true,
        send: (id, member) => this.fanout.send(id, member),
        onChanged: (nodes) => events.tell({ kind: 'served', nodes }),
        onChoice: (nodes) => events.tell({ kind: 'served', nodes }),
        log: world.log,
      },
      state.nodes(),
    );
    this.#posture = new PostureCollector({
      request: (node, method, path, body) => this.c2n.request(node, method, path, body),
      isOnline: (node) => this.presences.isOnline(node),
      ownerOf: (id) => {
        const node = state.node(id);
        return node === undefined ? '' : ownerOf(node);
      },
      onChanged: (node) => events.tell({ kind: 'posture', node }),
      onAsked: () => this.#upkeep.look(),
      now: world.monotonic,
    });
    this.engineOptions = engineOptionsOf(world, (route, among) => this.routes.choose(route, among));
    this.access = new Access({
      default: config.policy.default,
      engine: this.engineOptions,
      nodes: () => state.nodes(),
      users: () => state.users(),
      posture: (id) => this.#posture.of(id),
    });
    const rules = rulesOf(config, this.access, this.dns);
    this.#policies = new PolicySwap({
      prepare: (policy) => this.access.prepare(policy),
      swap: (policy, ready) => this.#swapPolicy(policy, ready),
      clock,
    });
    this.fanout = new Fanout(
      {
        facts: this.#facts(config, state),
        rules: this.access.rules,
        capMap: (node) => ({ ...this.map.capMapOf(), ...this.access.attributes(node.id) }),
        firstMembers: () => this.map.firstMembers(),
        ownMembers: (node) => this.map.ownMembers(node, this.access.attributes(node.id)),
        schedule: (task, delayMs) => void world.after(delayMs, task),
        monotonic: world.monotonic,
      },
      state.nodes(),
    );
    this.pendingLogins = new PendingLogins({
      entries: world.budgets.logins,
      bytes: world.budgets.loginBytes,
      lifetimeMs: world.loginLifetimeMs,
      now: world.now,
      random: world.random,
      onEvent: (event) => events.tell({ kind: 'login', event }),
    });
    this.c2n = new C2nExchanges({
      random: world.random,
      send: (node, member) => this.fanout.send(node, member),
      exists: (node) => state.node(node) !== undefined,
      after: world.after,
    });
    this.sshChecks = new SshChecks({
      node: (id) => state.node(id),
      verdict: (connection) =>
        this.access.engine === undefined
          ? { kind: 'refuse' }
          : sshVerdict(this.access.engine, connection),
      budget: world.budgets.sshChecks,
      lifetimeMs: world.loginLifetimeMs,
      now: world.now,
      random: world.random,
      after: world.after,
      onCheck: (check) => events.tell({ kind: 'ssh-check', check }),
      approval: world.commands.approve,
      log: world.log,
    });
    this.#keepAlives = new KeepAlives({
      fanout: this.fanout,
      clock,
      fraction: () => (world.random(1)[0] ?? 0) / 256,
    });
    this.logins = createLogins(
      this.pendingLogins,
      this.sshChecks,
      this.ledger,
      rules,
      world.commands,
      world.random,
    );
    this.reports = new Reports({
      clock,
      ledger: this.ledger,
      isRecord: rules.isRecord,
      log: world.log,
    });
    this.machine = {
      tailnet: own,
      ledger: this.ledger,
      fanout: this.fanout,
      presences: this.presences,
      keepAlives: this.#keepAlives,
      routes: this.routes,
      pendingLogins: this.pendingLogins,
      c2n: this.c2n,
      reports: this.reports,
      registrationPace: new RegistrationPace(world.budgets, world.monotonic),
      sshChecks: this.sshChecks,
      rules,
      mayKeepEntry: (node) => world.budgets.auditEntries.take(ownerOf(node), world.monotonic()),
      commands: world.commands,
      serverUrl: world.serverUrl,
      now: world.now,
      after: world.after,
      log: world.log,
      journal: world.journal,
    };
    this.#expiry = new ExpiryWatch({
      ledger: this.ledger,
      state,
      now: world.now,
      ephemeralInactivityMs: config.node.ephemeralInactivityMs,
      awaySince: (node) => {
        const { online, lastSeen = node.createdAt } = this.presences.of(node.id, node.lastSeen);
        return online ? undefined : lastSeen;
      },
      onExpired: (nodes) => this.#consequences.endExpired(nodes),
      onGone: (nodes) => {
        for (const { id: node, name } of nodes) {
          world.journal.info({ node, name }, 'ephemeral node deleted: it was away for too long');
        }
      },
    });
    this.#consequences = new Consequences({
      events,
      ledger: this.ledger,
      access: this.access,
      fanout: this.fanout,
      routes: this.routes,
      presences: this.presences,
      reports: this.reports,
      pendingLogins: this.pendingLogins,
      posture: this.#posture,
      expiry: this.#expiry,
      sshChecks: this.sshChecks,
      dns: this.dns,
      log: world.log,
      journal: world.journal,
    });
    this.#upkeep = new Upkeep(
      this.#duties(config.preAuthKeys.revokedRetentionMs),
      clock,
      (error) => {
        // Of the database the store tells itself.
        if (!isStoreFault(error)) world.log.error({ err: error }, 'housekeeping failed');
      },
    );
    events.onAny(() => this.#upkeep.look());
  }

  /** Loads the state from a store. Throws MallaError `store.*`. */
  static async load(
    id: TailnetId,
    config: TailnetConfig,
    store: Store,
    derpMap: DerpMap,
    world: World,
  ): Promise<Tailnet> {
    const tailnet = new Tailnet(
      id,
      config,
      store,
      { state: new State(await store.load(id)), revision: await store.revision() },
      derpMap,
      world,
    );
    const renamed = await tailnet.ledger.execute((state) =>
      giveUpReservedNames(state, tailnet.dns.isRecord),
    );
    for (const { before, after } of renamed) {
      const fields = { node: before.id, was: before.name, name: after.name };
      world.journal.warn(fields, 'node renamed: programs mean something else by its name');
    }
    return tailnet;
  }

  /**
   * Puts a policy in force, or with undefined the configured default, and tells everyone what differs. At once
   * where that takes no time, else as soon as it is ready; the promise is kept when it, or one that was set after it, is
   * in force.
   */
  setPolicy(policy: Policy | undefined): Promise<void> {
    return this.#policies.set(policy);
  }

  #swapPolicy(policy: Policy | undefined, ready: () => RulesChange | undefined): void {
    const touched = ready();
    if (touched === undefined) this.fanout.setRules(this.access.rules);
    else this.fanout.apply([], touched);
    this.sshChecks.standingChanged();
    const ids = [...this.ledger.state.nodes()].map(({ id }) => id);
    this.#posture.setPolicy(policy, ids);
    this.#consequences.approveRoutes(ids);
    this.events.tell({ kind: 'policy' });
  }

  /** Uses another DERP map, and tells everyone if it differs. */
  setDerpMap(derpMap: DerpMap): void {
    if (this.map.setDerpMap(derpMap)) this.fanout.commonChanged(Common.derpMap);
  }

  /** Uses other DNS records of the file, and tells everyone. */
  setFileRecords(records: readonly DnsRecord[]): void {
    if (this.dns.setFileRecords(records)) this.#consequences.dnsChanged();
  }

  /** Ends all streams and stores what was not stored yet. */
  async stop(): Promise<void> {
    this.#policies.stop();
    this.routes.stop();
    const seen = this.presences.stop();
    this.#keepAlives.stop();
    for (const stream of this.fanout.streams()) this.fanout.close(stream);
    this.c2n.stop();
    await this.reports.stop();
    await this.ledger.executeLate((state) => {
      const nodes = [...seen.keys()]
        .map((id) => state.node(id))
        .filter((node) => node !== undefined);
      return sawNodes(nodes, (node) => seen.get(node.id) ?? 0);
    });
    await this.#upkeep.stop();
    await this.ledger.save();
  }

  /** What time makes due. */
  #duties(revokedRetentionMs: number): readonly Duty[] {
    const { now, monotonic } = this.#world;
    let dirtySince: number | undefined;
    let purgedAt = -Infinity;
    return [
      {
        dueIn: () => until(this.pendingLogins.dueAt(), now()),
        run: () => this.pendingLogins.dropExpired(),
      },
      {
        dueIn: () => until(this.sshChecks.dueAt(), now()),
        run: () => this.sshChecks.dropExpired(),
      },
      {
        dueIn: () => until(this.#posture.dueAt(), monotonic() - ASK_AFTER_MS),
        run: () => this.#posture.look(),
      },
      { dueIn: () => until(this.#expiry.dueAt(), now()), run: () => this.#expiry.look() },
      {
        dueIn: () => purgedAt + PURGE_EVERY_MS - monotonic(),
        run: async () => {
          purgedAt = monotonic();
          await this.ledger.execute((state, context) =>
            purgeRevokedKeys(state, revokedRetentionMs, context),
          );
        },
      },
      {
        dueIn: () => {
          if (this.ledger.unsaved === 0) dirtySince = undefined;
          else dirtySince ??= monotonic();
          return until(dirtySince, monotonic() - SAVE_AFTER_MS);
        },
        run: () => this.ledger.save(),
      },
    ];
  }

  #facts(config: TailnetConfig, state: State): Facts {
    return {
      node: (id) => state.node(id),
      nodesOfUser: (id) => state.nodesOfUser(id),
      user: (id) => state.user(id),
      presence: (id) => this.presences.of(id, state.node(id)?.lastSeen),
      served: (id) => this.routes.servedBy(id),
      mayServe: (id) => this.routes.mayServe(id),
      usesIpv4: (node) => this.access.usesIpv4(node.id),
      peerCapMap: (node) =>
        this.access.peerAttributes(
          node.id,
          this.dns.peerCapabilities(this.access.attributes(node.id)),
        ),
      naming: { baseDomain: config.dns.baseDomain },
      now: this.#world.now,
      commonMembers: (parts) => this.map.commonMembers(parts),
      compress: this.#world.compress,
    };
  }
}

function rulesOf(config: TailnetConfig, access: Access, dns: TailnetDns): RegistrationRules {
  return {
    addresses: {
      v4: prefixOf(config.prefixes.v4),
      v6: prefixOf(config.prefixes.v6),
      allocation: config.prefixes.allocation,
      pools: access.addressPools,
    },
    nodeExpiryMs: config.node.expiryMs ?? 0,
    maxNodesPerUser: config.node.maxPerUser,
    tags: access.tagPolicy,
    isRecord: dns.isRecord,
  };
}

/** How long it is until a moment. */
function until(at: number | undefined, now: number): number | undefined {
  return at === undefined ? undefined : at - now;
}
