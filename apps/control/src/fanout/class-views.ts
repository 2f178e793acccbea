/**
 * The nodes of a tailnet by class, and what each class of viewers knows of them. Takes changes of nodes
 * and of rules, and notes in every view that they touch what its viewers must be told. Knows no streams.
 *
 * Rules by which others may be seen touch every view, which is too much for one turn: then each view owes its
 * viewers what the rules say, until {@link Views.settle}, which comes before anything is made from the view.
 * So a viewer is told of the rules that it was told of last, or of those that hold, and never of a mixture.
 */
import type { Node, NodeId } from '@malla/netmap/node';
import { diffForPeers, WHOLE_NODE } from '@malla/netmap/tailcfg-node';
import { TAGGED_DEVICES, type UserId } from '@malla/netmap/user';
import { Common } from './change-log.ts';
import { ClassView, type Facts, PeerTexts, type ViewSource } from './class-view.ts';
import type { ClassKey, Rules } from './rules.ts';

/** What a change of rules, or of what they look at, has touched; a policy engine's effects. */
export interface RulesChange {
  /** Nodes that belong to another class now. */
  readonly reclassed: Iterable<NodeId>;
  /** Parts of packet filters that differ, by class. */
  readonly filters: ReadonlyMap<ClassKey, ReadonlySet<string>>;
  /** Classes whose SSH policy differs. */
  readonly ssh: Iterable<ClassKey>;
  /** Nodes that have other capabilities. */
  readonly attributes: Iterable<NodeId>;
  /** Whether classes that existed before may see others, or other routes, now. */
  readonly visibility: boolean;
}

/** Nodes whose class may be another one, and what else has changed of them, as in the log. */
export type Moved = Map<NodeId, number>;

/** What a move did. */
export interface Moves {
  /** The views that nodes which changed class have now. */
  readonly views: ReadonlyMap<NodeId, ClassView>;
  /** Views of classes that did not exist before: they are as the rules say, and nobody was told otherwise. */
  readonly made: ReadonlySet<ClassView>;
}

/** Of a change of rules what a view must still be told, beside whom its viewers see. */
interface OwedChange {
  readonly filters: RulesChange['filters'];
  readonly ssh: ReadonlySet<ClassKey>;
  readonly attributes: readonly NodeId[];
}

/** Changes that are kept apart; then a view may tell again what its viewers know of them. */
const MAX_OWED = 16;

export interface ViewsOptions {
  readonly facts: Facts;
  readonly rules: Rules;
  /** Whether anybody reads a view. */
  readonly isRead: (view: ClassView) => boolean;
  /** Something was noted in a view that its readers must be told. */
  readonly onNoted: (view: ClassView) => void;
}

export class Views {
  #rules: Rules;
  readonly #isRead: (view: ClassView) => boolean;
  readonly #facts: Facts;
  readonly #texts: PeerTexts;
  readonly #views = new Map<ClassKey, ClassView>();
  /** Views of classes that are gone, as long as a stream must still be told what differs from them. */
  readonly #left = new Set<ClassView>();
  readonly #source: ViewSource;
  readonly #classOf = new Map<NodeId, ClassKey>();
  readonly #members = new Map<ClassKey, Set<NodeId>>();

  /** Views that do not show yet what the rules say, each with the first of {@link #changes} that it owes. */
  readonly #owed = new Map<ClassView, number>();
  /** Changes that views owe, oldest first. */
  #changes: OwedChange[] = [];
  /** Classes that nodes came to since then: that a view holds one of them says nothing of the others. */
  readonly #mixed = new Set<ClassKey>();
  /** Nodes of whose routes a view that owes something may have another part to show. */
  readonly #routers = new Set<NodeId>();
  /** Whether a change is being taken in that the rules know already. */
  #isUnsettled = false;

  constructor(options: ViewsOptions, nodes: Iterable<Node>) {
    const { rules, facts, isRead, onNoted } = options;
    this.#rules = rules;
    this.#facts = facts;
    this.#isRead = isRead;
    this.#texts = new PeerTexts(facts);
    this.#source = { facts, texts: this.#texts, rules: () => this.#rules, isRead, onNoted };
    for (const node of nodes) this.add(node);
  }

  /** The view of a node's class. */
  of(node: Node): ClassView {
    return this.#viewOf(this.#classOf.get(node.id) ?? this.#rules.classOf(node));
  }

  /** A node is there that was not. */
  add(node: Node): void {
    const key = this.#rules.classOf(node);
    this.#join(node.id, key);
    this.#viewOf(key);
    if (this.#owed.size > 0) this.#mixed.add(key);
    const owner = node.userId ?? TAGGED_DEVICES.id;
    for (const viewer of this.#rules.seenBy(key)) {
      this.#views.get(viewer)?.appeared(node.id, owner);
    }
  }

  /**
   * A node has another row. Says which fields differ, as in the log; its viewers are told of them, unless
   * its class differs too: then it is in `moved`, for {@link move}.
   */
  replace(before: Node, after: Node, moved: Moved): number {
    this.#texts.drop(after.id);
    const fields = diffForPeers(before, after, this.#facts.now());
    if (this.#rules.classOf(after) !== this.#classOf.get(after.id)) {
      moved.set(after.id, (moved.get(after.id) ?? 0) | fields);
    } else if (fields !== 0) this.#tell(after.id, fields);
    return fields;
  }

  remove(id: NodeId): void {
    this.#texts.drop(id);
    const key = this.#classOf.get(id);
    if (key === undefined) return;
    this.#leave(id, key);
    for (const view of this.#holders(key)) view.gone(id);
  }

  /** Tells all viewers of a node what has changed of it that is not in its row. */
  changed(id: NodeId, fields: number): void {
    this.#texts.drop(id);
    this.#tell(id, fields);
  }

  #tell(id: NodeId, fields: number): void {
    const key = this.#classOf.get(id);
    if (key === undefined) return;
    for (const view of this.#holders(key)) view.changed(id, fields);
  }

  /** What viewers may use of a node's routes has perhaps changed. */
  routesMayDiffer(id: NodeId): void {
    const key = this.#classOf.get(id);
    if (key === undefined) return;
    for (const view of this.#holders(key)) view.routesMayDiffer(id);
  }

  /** A user has changed; it is told where a node of that user is seen. */
  userChanged(id: UserId): void {
    const told = new Set<ClassView>();
    for (const node of this.#facts.nodesOfUser(id)) {
      const key = this.#classOf.get(node.id);
      if (key === undefined) continue;
      for (const view of this.#holders(key)) if (view.peers.has(node.id)) told.add(view);
    }
    for (const view of told) view.note({ kind: 'user', id });
  }

  /** Shared parts have changed, bits of `Common`. */
  commonChanged(parts: number): void {
    for (const view of this.#all()) view.note({ kind: 'common', parts });
  }

  /** Other rules hold from now on, that name their classes otherwise. */
  setRules(rules: Rules): Moves {
    const ids = [...this.#classOf.keys()];
    // What nodes are granted may differ as well: told by the views that their viewers still know.
    for (const id of ids) if (this.#texts.renew(id)) this.#tell(id, WHOLE_NODE);
    this.#rules = rules;
    this.#owe({ filters: new Map(), ssh: new Set(), attributes: [] });
    return this.unsettled(() => this.move(new Map(ids.map((id) => [id, 0]))));
  }

  /** Rules hold by which others may be seen: all views owe their viewers what that changes. */
  visibilityChanged({ filters, ssh, attributes }: RulesChange): void {
    const ids = [...attributes];
    for (const id of ids) this.#texts.drop(id);
    this.#owe({ filters, ssh: new Set(ssh), attributes: ids });
  }

  /** Whether any view does not show yet what the rules say. */
  get isOwing(): boolean {
    return this.#owed.size > 0;
  }

  /** Brings one more view to what the rules say, if there is one that is not there. */
  settleNext(): void {
    const next = this.#owed.keys().next();
    if (next.done !== true) this.settle(next.value);
  }

  /** Whether a view does not show yet what the rules say. */
  owes(view: ClassView): boolean {
    return this.#owed.has(view);
  }

  /** Brings a view to what the rules say. */
  settle(view: ClassView): void {
    const first = this.#owed.get(view);
    if (first === undefined) return;
    // Of a class that is gone viewers are told what their next one shows.
    const isThere = this.#views.get(view.key) === view;
    if (isThere) this.#showSeen(view);
    for (const { filters, ssh, attributes } of this.#changes.slice(first)) {
      for (const id of attributes) view.changed(id, WHOLE_NODE);
      if (!isThere) continue;
      for (const name of filters.get(view.key) ?? []) view.note({ kind: 'filter', name });
      if (ssh.has(view.key)) view.note({ kind: 'common', parts: Common.ssh });
    }
    this.#owed.delete(view);
    this.#forgetIfSettled();
  }

  /** Whether one of these nodes belongs to another class than the views know. */
  someMove(ids: Iterable<NodeId>): boolean {
    for (const id of ids) {
      const node = this.#facts.node(id);
      const known = this.#classOf.get(id);
      if (node !== undefined && known !== undefined && this.#rules.classOf(node) !== known)
        return true;
    }
    return false;
  }

  /** Does `work`, which brings the views to rules by which others may be seen than before. */
  unsettled<T>(work: () => T): T {
    this.#isUnsettled = true;
    try {
      return work();
    } finally {
      this.#isUnsettled = false;
    }
  }

  /** Nodes that belong to another class now: who sees them, and what they see, is another. */
  move(ids: Moved): Moves {
    const made = new Set<ClassView>();
    const views = new Map<NodeId, ClassView>();
    const arrivals = new Map<ClassKey, { readonly ids: NodeId[]; readonly from: Set<ClassKey> }>();
    for (const id of ids.keys()) {
      const node = this.#facts.node(id);
      const from = this.#classOf.get(id);
      if (node === undefined || from === undefined) continue;
      const to = this.#rules.classOf(node);
      if (to === from) continue;
      this.#leave(id, from);
      this.#join(id, to);
      let arrived = arrivals.get(to);
      if (arrived === undefined) arrivals.set(to, (arrived = { ids: [], from: new Set() }));
      arrived.ids.push(id);
      arrived.from.add(from);
    }
    if (arrivals.size === 0) return { views, made };
    for (const [key, { ids: arrived }] of arrivals) {
      if (this.#owed.size > 0) this.#mixed.add(key);
      for (const id of arrived) {
        if (this.#owed.size > 0 && this.#isRouter(id)) this.#routers.add(id);
        const fields = ids.get(id) ?? 0;
        if (fields === 0) continue;
        for (const view of this.#left) view.changed(id, fields);
        for (const view of this.#owed.keys()) if (!this.#left.has(view)) view.changed(id, fields);
      }
    }
    this.#showArrivals(arrivals, ids);
    for (const [key, { ids: arrived }] of arrivals) {
      const isKnown = this.#views.has(key);
      const view = this.#viewOf(key);
      if (!isKnown) made.add(view);
      for (const id of arrived) views.set(id, view);
    }
    return { views, made };
  }

  /** Rules say other things than before; nodes were moved already, which made the views `made`. */
  rulesChanged(change: RulesChange, made: ReadonlySet<ClassView>): void {
    const known = (key: ClassKey): ClassView | undefined => {
      const view = this.#views.get(key);
      return view === undefined || made.has(view) ? undefined : view;
    };
    for (const [key, names] of change.filters) {
      const view = known(key);
      if (view !== undefined) for (const name of names) view.note({ kind: 'filter', name });
    }
    for (const key of change.ssh) known(key)?.note({ kind: 'common', parts: Common.ssh });
    for (const id of change.attributes) this.changed(id, WHOLE_NODE);
  }

  /** Forgets the views of classes that are gone and that nobody reads any more. */
  dropLeft(): void {
    for (const view of this.#left) {
      if (this.#isRead(view)) continue;
      this.#left.delete(view);
      this.#owed.delete(view);
    }
    this.#forgetIfSettled();
  }

  /** @yields Every view, those of classes that are gone too. */
  *#all(): IterableIterator<ClassView> {
    yield* this.#views.values();
    yield* this.#left;
  }

  /** @yields Views among which are all that hold nodes of a class, those of classes that are gone too. */
  *#holders(key: ClassKey): IterableIterator<ClassView> {
    yield* this.#present([key]);
    yield* this.#left;
  }

  /**
   * As {@link #holders} for several classes, without those that are gone. Of a class that has no nodes any
   * more the rules need not know by whom it was seen.
   */
  #present(keys: Iterable<ClassKey>): Iterable<ClassView> {
    const views = new Set<ClassView>();
    for (const key of keys) {
      if (this.#isUnsettled || this.#owed.size > 0 || !this.#members.has(key))
        return this.#views.values();
      for (const viewer of this.#rules.seenBy(key)) {
        const view = this.#views.get(viewer);
        if (view !== undefined) views.add(view);
      }
    }
    return views;
  }

  #owe(change: OwedChange): void {
    if (this.#views.size + this.#left.size === 0) return;
    if (this.#changes.length === MAX_OWED) {
      this.#changes = [mergedChange(this.#changes)];
      for (const view of this.#owed.keys()) this.#owed.set(view, 0);
    }
    const first = this.#changes.push(change) - 1;
    for (const view of this.#all()) if (!this.#owed.has(view)) this.#owed.set(view, first);
    for (const id of this.#classOf.keys()) if (this.#isRouter(id)) this.#routers.add(id);
  }

  #forgetIfSettled(): void {
    if (this.#owed.size > 0) return;
    this.#changes = [];
    this.#mixed.clear();
    this.#routers.clear();
  }

  #isRouter(id: NodeId): boolean {
    return this.#facts.mayServe(id) || this.#facts.served(id).length > 0;
  }

  /** Makes a view hold what its viewers see. Nodes of a class are seen alike, so one stands for all. */
  #showSeen(view: ClassView): void {
    const seen = new Set(this.#rules.seenBy(view.key));
    for (const [key, members] of this.#members) {
      const sees = seen.has(key);
      const [first] = members;
      if (first === undefined) continue;
      if (!this.#mixed.has(key) && view.peers.has(first) === sees) continue;
      for (const id of members) {
        if (view.peers.has(id) !== sees) this.#reconcile(view, id, sees, 0);
      }
    }
    for (const id of this.#routers) view.routesMayDiffer(id);
  }

  /** Tells those views that owe nothing of nodes that have come to other classes. */
  #showArrivals(
    arrivals: ReadonlyMap<ClassKey, { readonly ids: NodeId[]; readonly from: Set<ClassKey> }>,
    fieldsOf: Moved,
  ): void {
    const settled =
      this.#owed.size === 0
        ? undefined
        : [...this.#views.values()].filter((view) => !this.#owed.has(view));
    if (settled?.length === 0) return;
    for (const [key, { ids, from }] of arrivals) {
      const viewers = new Set(this.#rules.seenBy(key));
      for (const view of settled ?? this.#present([key, ...from])) {
        const sees = viewers.has(view.key);
        for (const id of ids) this.#reconcile(view, id, sees, fieldsOf.get(id) ?? 0);
      }
    }
  }

  /** Makes a view hold a node or not, and tells it what has changed of one that it goes on to hold. */
  #reconcile(view: ClassView, id: NodeId, sees: boolean, fields: number): void {
    if (!sees) view.gone(id);
    else if (!view.peers.has(id)) {
      view.appeared(id, this.#facts.node(id)?.userId ?? TAGGED_DEVICES.id);
    } else if (fields === 0) view.routesMayDiffer(id);
    else view.changed(id, fields);
  }

  #join(id: NodeId, key: ClassKey): void {
    this.#classOf.set(id, key);
    const members = this.#members.get(key);
    if (members === undefined) this.#members.set(key, new Set([id]));
    else members.add(id);
  }

  /** A class without nodes is forgotten; its view stays for streams that are to be told how theirs differs from it. */
  #leave(id: NodeId, key: ClassKey): void {
    this.#classOf.delete(id);
    const members = this.#members.get(key);
    members?.delete(id);
    if (members === undefined || members.size > 0) return;
    this.#members.delete(key);
    const view = this.#views.get(key);
    this.#views.delete(key);
    if (view === undefined) return;
    if (this.#isRead(view)) this.#left.add(view);
    else this.#owed.delete(view);
  }

  #viewOf(key: ClassKey): ClassView {
    let view = this.#views.get(key);
    if (view === undefined) {
      view = new ClassView(key, this.#source);
      this.#views.set(key, view);
      // Where many classes are new at once, each is filled when its turn comes.
      if (this.#owed.size > 0) {
        this.#owed.set(view, this.#changes.length);
        return view;
      }
      for (const seen of this.#rules.seenBy(key)) {
        for (const id of this.#members.get(seen) ?? []) view.hold(id);
      }
    }
    return view;
  }
}

/** All that changes have touched together. */
function mergedChange(changes: readonly OwedChange[]): OwedChange {
  const filters = new Map<ClassKey, Set<string>>();
  for (const change of changes) {
    for (const [key, names] of change.filters) {
      const known = filters.get(key) ?? new Set();
      filters.set(key, known);
      for (const name of names) known.add(name);
    }
  }
  return {
    filters,
    ssh: new Set(changes.flatMap(({ ssh }) => [...ssh])),
    attributes: [...new Set(changes.flatMap(({ attributes }) => attributes))],
  };
}
