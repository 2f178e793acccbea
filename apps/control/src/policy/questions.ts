/**
 * What administrators ask of a policy, the one in force or another: what each node would be sent, what
 * would change, whether its tests pass, and why something is allowed or not. Answers change nothing.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import type { Problem } from '@malla/policy/document/reading/problem';
import type { EngineOptions, PolicyEngine } from '@malla/policy/contract';
import { explain } from '@malla/policy/explain/explain';
import type {
  Explanation,
  Reason,
  SshExplanation,
  Subject,
} from '@malla/policy/explain/explanation';
import { explainSsh } from '@malla/policy/explain/ssh';
import type { Policy } from '@malla/policy/policy';
import { prepareSteps, type Preview, type PreviewedNode } from '@malla/policy/preview/preview';
import type { PolicyNode } from '@malla/policy/subjects';
import type { TailnetConfig } from '../config/config.ts';
import type { State } from '../core/state.ts';
import { comparePolicies, type PolicyChanges } from './changes.ts';
import type { PolicyHolder } from './holder.ts';
import { nameIn } from './members.ts';
import { type NamedTailnet, readTopology, type Topology } from './topology.ts';
import { engineFor, type Members } from './engine-for.ts';
import { judge, readPolicy, testPolicy } from './judge.ts';
import { refusalError } from './refusal-error.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { withoutPolicy, type WithoutPolicy } from './without-policy.ts';

export interface QuestionDeps {
  readonly holder: PolicyHolder;
  /** The live tailnet's; undefined while no policy is set. */
  readonly engine: () => PolicyEngine | undefined;
  readonly members: () => Members;
  readonly engineOptions: EngineOptions;
  readonly configured: TailnetConfig['policy'];
  /** Knows the names of nodes. */
  readonly state: State;
  /** Monotonic ms. */
  readonly monotonic: () => number;
}

/** Nodes of a live tailnet of which some are previewed. */
const MAX_PREVIEWED_IN = 10_000;
/** Peers that one answer tells of: every node is told with all its peers, of some hundred characters each. */
const MAX_TOLD_PEERS = 1_000_000;
/** After which a preview that is not told yet ends, ms: others wait for their turn. */
const MAX_PREVIEW_MS = 120_000;
/** After which others may use the thread, ms. */
const SLICE_MS = 10;

/** A preview that is told node by node; others wait until it is told, or ended. */
export interface PreviewedNodes {
  /** Each node with what it would be sent, made when it is asked for. */
  readonly nodes: AsyncGenerator<readonly [string, PreviewedNode], void>;
  /** Nobody asks for more. */
  readonly end: () => void;
}

/** Whether `source` may reach `destination`; each is what a policy can name, or the name of a node. */
export interface FlowQuestion {
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
  /** IANA number. */
  readonly protocol: number;
}

/** One question at a time is worked on, as each may take an engine of its own. All throw MallaError `policy.busy`. */
export class PolicyQuestions {
  readonly #deps: QuestionDeps;
  readonly #line = new OneAtATime();

  constructor(deps: QuestionDeps) {
    this.#deps = deps;
  }

  /**
   * What every node would be sent, or each of some, by its name. Others wait until all of it is told. Throws MallaError
   * `policy.invalid`, `policy.topology-invalid`, `policy.name-unknown`; the nodes, if it takes too long, `policy.busy`.
   */
  preview(
    text: string,
    topology: Topology | undefined,
    of?: readonly string[],
  ): Promise<PreviewedNodes> {
    const ready = Promise.withResolvers<PreviewedNodes>();
    this.#line
      .run(async () => {
        const late = AbortSignal.timeout(MAX_PREVIEW_MS);
        const told = Promise.withResolvers<void>();
        late.addEventListener('abort', () => told.resolve(), { once: true });
        ready.resolve(await this.#preview(text, topology, of, { late, onTold: told.resolve }));
        await told.promise;
      })
      .catch(ready.reject);
    return ready.promise;
  }

  /** What would change for whom in the live tailnet; without a text, if no policy were set. Throws MallaError `policy.invalid`. */
  changes(text: string | undefined): Promise<PolicyChanges & Pick<Policy, 'warnings'>> {
    return this.#line.run(() => this.#changes(text));
  }

  /** The tests that fail, of a text or of the policy in force. Throws MallaError `policy.*`. */
  test(text: string | undefined): Promise<{
    readonly tests: number;
    readonly failures: readonly Problem[];
    readonly warnings: readonly Problem[];
  }> {
    return this.#line.run(async () => {
      const policy = text === undefined ? this.#set() : understood(text);
      const { members, engineOptions } = this.#deps;
      const nameOf = ({ id }: PolicyNode): string => this.#nameOf(id);
      const refusal = await testPolicy(policy, members(), engineOptions, nameOf);
      const tests = policy.tests.length + policy.sshTests.length;
      return { tests, failures: refusal?.problems ?? [], warnings: policy.warnings };
    });
  }

  /** Why something is allowed or not, by the policy in force or by another. Throws MallaError `policy.*`. */
  explain(question: FlowQuestion, text: string | undefined): Promise<Explanation> {
    return this.#line.run(async () => {
      const explanation = explain(
        await this.#engineOf(text),
        {
          ...question,
          source: this.#subject(question.source),
          destination: this.#subject(question.destination),
        },
        (node) => this.#nameOf(node.id),
      );
      mustBeKnown(explanation.forward.findings);
      return explanation;
    });
  }

  /** The same for an SSH session as a user. */
  explainSsh(
    question: { readonly source: string; readonly destination: string; readonly user: string },
    text: string | undefined,
  ): Promise<SshExplanation> {
    return this.#line.run(async () => {
      const explanation = explainSsh(
        await this.#engineOf(text),
        {
          ...question,
          source: this.#subject(question.source),
          destination: this.#subject(question.destination),
        },
        (node) => this.#nameOf(node.id),
      );
      mustBeKnown(explanation.findings);
      return explanation;
    });
  }

  async #preview(
    text: string,
    topology: Topology | undefined,
    of: readonly string[] | undefined,
    end: { readonly late: AbortSignal; readonly onTold: () => void },
  ): Promise<PreviewedNodes> {
    const { users, nodes } = topology === undefined ? this.#live() : readTopology(topology);
    const { choose, ...rest } = this.#deps.engineOptions;
    // Which routers are up is known of the live tailnet only.
    const options = topology === undefined ? { ...rest, choose } : rest;
    const names = new Map([...nodes].map(([name, { id }]) => [id, name]));
    const members: Members = { users: () => users, nodes: () => nodes.values() };
    const judged = await judge(text, members, options, ({ id }) => names.get(id) ?? `node ${id}`);
    if (!judged.ok) throw refusalError(judged.error);
    const asked = of ?? [...nodes.keys()];
    const unknown = asked.find((name) => !nodes.has(name));
    if (unknown !== undefined) {
      throw new MallaError('policy.name-unknown', `there is no node ${JSON.stringify(unknown)}`);
    }
    const pace = new Pace(this.#deps.monotonic);
    const steps = prepareSteps(judged.value, users, nodes, options);
    const ready = await paced(steps, pace, end.late);
    let peers = 0;
    for (const name of asked) {
      peers += ready.peersOf(name);
      await pace.next();
    }
    if (peers > MAX_TOLD_PEERS) {
      throw new MallaError(
        'policy.topology-invalid',
        `${asked.length} nodes would be told of ${peers} peers, and an answer takes ${MAX_TOLD_PEERS}: name some nodes (of), or ask for what would change`,
      );
    }
    return { nodes: tellNodes(ready, asked, pace, end), end: end.onTold };
  }

  async #changes(text: string | undefined): ReturnType<PolicyQuestions['changes']> {
    const { members, holder } = this.#deps;
    const policy = text === undefined ? undefined : await holder.check(text);
    const after = await this.#over(policy, members());
    // One of its own, as the live one may change while it is looked at.
    const before = await this.#over(holder.current, after);
    const changes = await comparePolicies(before, after, (id) => this.#nameOf(id));
    return { ...changes, warnings: policy?.warnings ?? [] };
  }

  /** What holds under a policy, or where none is set. */
  #over(policy: Policy | undefined, members: Members): Promise<PolicyEngine | WithoutPolicy> {
    const { configured, engineOptions } = this.#deps;
    return policy === undefined
      ? withoutPolicy(configured.default, members, engineOptions)
      : engineFor(policy, members, engineOptions);
  }

  #live(): NamedTailnet {
    const members = this.#deps.members();
    const named = new Map<string, PolicyNode>();
    for (const node of members.nodes()) named.set(this.#nameOf(node.id), node);
    if (named.size > MAX_PREVIEWED_IN) {
      throw new MallaError(
        'policy.topology-invalid',
        `the tailnet has ${named.size} nodes, and a preview in full takes ${MAX_PREVIEWED_IN}: ask for what would change`,
      );
    }
    return { users: [...members.users()], nodes: named };
  }

  async #engineOf(text: string | undefined): Promise<PolicyEngine | WithoutPolicy> {
    const { engine, members, holder } = this.#deps;
    if (text !== undefined) return this.#over(understood(text), members());
    const running = holder.current === undefined ? undefined : engine();
    return running ?? this.#over(holder.current, members());
  }

  #set(): Policy {
    const policy = this.#deps.holder.current;
    if (policy === undefined) throw new MallaError('policy.not-found', 'no policy is set');
    return policy;
  }

  #subject(text: string): Subject {
    return this.#deps.state.nodeByName(text)?.id ?? text;
  }

  #nameOf(id: number): string {
    return nameIn(this.#deps.state, id);
  }
}

/** Lets others use the thread from time to time. */
class Pace {
  readonly #now: () => number;
  #began: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#began = now();
  }

  async next(): Promise<void> {
    if (this.#now() - this.#began < SLICE_MS) return;
    await turn();
    this.#began = this.#now();
  }
}

/** What steps end with, when others have had the thread between them. Throws MallaError `policy.busy`. */
async function paced<T>(steps: Iterator<void, T>, pace: Pace, late: AbortSignal): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await pace.next();
    if (!late.aborted) continue;
    throw new MallaError('policy.busy', 'the preview took too long: ask for fewer nodes');
  }
}

/** @yields What each of some nodes would be sent. */
async function* tellNodes(
  ready: Preview,
  names: readonly string[],
  pace: Pace,
  { late, onTold }: { readonly late: AbortSignal; readonly onTold: () => void },
): PreviewedNodes['nodes'] {
  try {
    for (const name of names) {
      const told = await paced(ready.node(name), pace, late);
      if (told !== undefined) yield [name, told];
    }
  } finally {
    onTold();
  }
}

/** There is nothing to say of a name that nothing has. */
function mustBeKnown(
  findings: readonly { readonly reasons: readonly Reason[]; readonly text: string }[],
): void {
  for (const { reasons, text } of findings) {
    const isUnknown = reasons.some(
      ({ kind }) => kind === 'unknown-source' || kind === 'unknown-destination',
    );
    if (isUnknown) throw new MallaError('policy.name-unknown', text);
  }
}

function understood(text: string): Policy {
  const read = readPolicy(text);
  if (!read.ok) throw refusalError(read.error);
  return read.value;
}
