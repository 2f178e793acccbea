/**
 * The policy that is in force, and how another one takes its place: a text is judged before anything is
 * changed, then kept in the database, and applied when its row is there, whoever wrote it. One that is refused changes nothing: what was in
 * force stays so, also after a restart, and the server's health says it.
 *
 * Every text that was in force is a version in the database, wherever it came from: for a file they are
 * the last good ones, and whoever moves the policy from a file to the database goes on with the newest.
 */
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { ok, type Result } from '@malla/base/result';
import type { TailnetId } from '@malla/netmap/user';
import type { EngineOptions } from '@malla/policy/contract';
import { formatProblem, type Problem } from '@malla/policy/document/reading/problem';
import { ALLOW_ALL, type Policy } from '@malla/policy/policy';
import type { TailnetConfig } from '../config/config.ts';
import type { Change, PolicyVersion } from '../core/change.ts';
import { appendPolicy } from '../core/policy.ts';
import type { ChangeListener, Ledger } from '../ledger.ts';
import { MAX_POLICY_VERSIONS, type PolicyHead, type Store } from '../store/store.ts';
import { WatchedFile } from '@malla/platform/watched-file';
import type { Members } from './engine-for.ts';
import { judge, MAX_POLICY_LENGTH, readPolicy, type Refusal, unreadable } from './judge.ts';
import type { InForce, Refused, Unset } from './in-force.ts';
import { refusalError } from './refusal-error.ts';
import { nameIn } from './members.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { warnOfUndefinedTags } from './undefined-tags.ts';

export interface PolicyDeps {
  readonly source: TailnetConfig['policy']['source'];
  /** Whose policy it is. */
  readonly tailnet: TailnetId;
  readonly ledger: Ledger;
  /** Has a listener told of changed rows: the versions of the policy are among them. */
  readonly onRows: (listener: ChangeListener) => void;
  readonly store: Pick<Store, 'policyHeads' | 'policyVersion'>;
  /** The live tailnet's, whom the tests of a policy are run for. */
  readonly members: () => Members;
  readonly engineOptions: EngineOptions;
  /** Puts a policy in force, at once or in a while; undefined: none is set and the configured default holds. */
  readonly onChange: (policy: Policy | undefined) => Promise<void> | undefined;
  /** Unix ms. */
  readonly now: () => number;
  readonly log: Logger;
}

/** After which a file is read again, ms, whose tests failed (they may pass when users were made), or that could not be kept. */
const RETRY_TESTS_MS = 60_000;
const RETRY_STORE_MS = 5_000;

/** A policy was set that cannot be used, and there is no earlier one. */
const DENY_ALL: Policy = { ...ALLOW_ALL, rules: [] };

export class PolicyHolder {
  readonly #deps: PolicyDeps;
  readonly #file: WatchedFile | undefined;
  #inForce: InForce | Unset | undefined;
  #refused: Refused | undefined;
  #isStarted = false;
  /** When the file is read again although it has not changed, Unix ms. */
  #retryAt = Infinity;
  /** The text that is being kept, which was understood already. */
  #judged: { readonly text: string; readonly policy: Policy } | undefined;
  /** Until what holds is in force everywhere. */
  #applied: Promise<void> = Promise.resolve();
  /** One text at a time is judged, kept and applied. */
  readonly #line = new OneAtATime();

  /** Nothing is in force before {@link start}. */
  constructor(deps: PolicyDeps) {
    this.#deps = deps;
    const { source } = deps;
    if (typeof source === 'object') this.#file = new WatchedFile(source.file, MAX_POLICY_LENGTH);
    if (source !== undefined) deps.onRows((changes) => this.#takeRows(changes));
  }

  /**
   * Puts in force what there is. Throws MallaError `config.invalid` for a file that cannot be understood
   * where no earlier policy is known, `store.*`.
   */
  async start(): Promise<void> {
    const { source, log, store, tailnet } = this.#deps;
    if (source === undefined) {
      const [newest] = await store.policyHeads(tailnet, 1);
      if (newest !== undefined) {
        log.warn(
          { version: newest.id },
          'no policy file is configured: the stored policy is not used',
        );
      }
    } else {
      await this.#restore();
      if (this.#file !== undefined) await this.#readFirst(this.#file);
    }
    this.#isStarted = true;
    this.#tell();
    await this.#applied;
  }

  /** What is in force; undefined: the configured default, or nothing is allowed, which {@link refused} says. */
  get inForce(): InForce | undefined {
    return this.#inForce?.policy === undefined ? undefined : this.#inForce;
  }

  /** The version that holds, also one that says that no policy is set. */
  get version(): PolicyVersion | undefined {
    return this.#inForce?.version;
  }

  /** The newest text, where it could not be put in force. */
  get refused(): Refused | undefined {
    return this.#refused;
  }

  /** The policy that the engine is to have; undefined: the configured default. */
  get current(): Policy | undefined {
    if (this.#inForce !== undefined) return this.#inForce.policy;
    return this.#refused === undefined ? undefined : DENY_ALL;
  }

  /** What an administrator ought to know, one sentence each. */
  get warnings(): readonly string[] {
    if (this.#refused === undefined) return [];
    const { where, since, text } = this.#refused;
    const kept =
      this.#inForce === undefined
        ? 'nothing is allowed until it is mended'
        : `version ${this.#inForce.version.id} of ${iso(this.#inForce.version.createdAt)} stays in force`;
    const reason = text.replaceAll('\n', '; ');
    return [`the policy in ${where} is refused since ${iso(since)}, ${kept}: ${reason}`];
  }

  /** Reads a text, runs its tests in the tailnet as it is, and looks at the tags there are. Throws MallaError `policy.invalid`, `policy.busy`. */
  check(text: string): Promise<Policy> {
    return this.#line.run(async () => {
      const { members, ledger } = this.#deps;
      const warned = (policy: Policy): Policy =>
        warnOfUndefinedTags(policy, members().nodes(), ({ id }) => nameIn(ledger.state, id));
      const judged = await this.#judge(text);
      if (judged.ok) return warned(judged.value);
      const { policy } = judged.error;
      throw refusalError({ ...judged.error, policy: policy && warned(policy) });
    });
  }

  /**
   * Puts a text in force for good. The same text again is no new version. Throws MallaError
   * `policy.read-only` where the policy is not kept in the database, `policy.invalid`, `store.*`.
   */
  set(text: string, author: string): Promise<InForce> {
    return this.#line.run(async () => {
      this.#mustBeInDatabase();
      const policy = await this.#mustBeGood(text);
      return this.#adopt(text, policy, author);
    });
  }

  /**
   * Goes back to no policy: the configured default holds. To do so again is no new version. Throws
   * MallaError `policy.read-only` where the policy is not kept in the database, `store.*`.
   */
  unset(author: string): Promise<Unset> {
    return this.#line.run(async () => {
      this.#mustBeInDatabase();
      return this.#unset(author);
    });
  }

  /** Puts an earlier version in force again, as a new one. Throws as {@link set}, and `policy.not-found`. */
  rollback(id: number, author: string): Promise<InForce | Unset> {
    return this.#line.run(async () => {
      this.#mustBeInDatabase();
      const { source, text } = await this.versionOf(id);
      if (source === 'none') return this.#unset(author);
      return this.#adopt(text, await this.#mustBeGood(text), author);
    });
  }

  /** The newest versions without their texts, newest first. */
  history(limit: number): Promise<readonly PolicyHead[]> {
    return this.#deps.store.policyHeads(this.#deps.tailnet, limit);
  }

  /** Throws MallaError `policy.not-found`. */
  async versionOf(id: number): Promise<PolicyVersion> {
    const found = await this.#deps.store.policyVersion(this.#deps.tailnet, id);
    if (found !== undefined) return found;
    throw new MallaError('policy.not-found', `there is no version ${id} of the policy`, {
      details: { id },
    });
  }

  /** Looks at the file. Call it about once a second; never rejects. */
  look(): Promise<void> {
    const isDue = this.#deps.now() >= this.#retryAt;
    return this.#fromFile((file) => (isDue ? file.read() : file.look()));
  }

  /** Reads the file again, and judges it anew unless it is in force. Never rejects. */
  reload(): Promise<void> {
    return this.#fromFile((file) => file.read());
  }

  /** Puts the newest stored version that is understood in force. Its tests passed when it was set. */
  async #restore(): Promise<void> {
    for (const { id } of await this.#deps.store.policyHeads(
      this.#deps.tailnet,
      MAX_POLICY_VERSIONS,
    )) {
      const version = await this.versionOf(id);
      if (version.source === 'none') {
        // What was refused since then is no reason to open what the default opens.
        if (this.#refused === undefined) this.#inForce = { version, policy: undefined };
        return;
      }
      const read = readPolicy(version.text);
      if (read.ok) {
        this.#inForce = { version, policy: read.value };
        return;
      }
      if (this.#refused === undefined) this.#refuse(`version ${id}`, read.error);
    }
  }

  async #readFirst(file: WatchedFile): Promise<void> {
    await this.#take(await file.read(), file.path);
    if (this.#inForce?.policy !== undefined || this.#refused === undefined) return;
    // Without a file there was no policy, with a broken one nothing is allowed.
    this.#inForce = undefined;
    const { reason, text } = this.#refused;
    // Tests may fail only because the users they speak of are still to be made, which needs a server.
    if (reason === 'tests') return;
    const gap = text.includes('\n') ? '\n' : ' ';
    throw new MallaError('config.invalid', `cannot use the policy of ${file.path}:${gap}${text}`);
  }

  async #fromFile(
    read: (file: WatchedFile) => Promise<Result<string, string> | undefined>,
  ): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const work = this.#line.run(async () => {
      const text = await read(file);
      if (text === undefined) return;
      try {
        await this.#take(text, file.path);
      } catch (error) {
        this.#refuse(file.path, unreadable(`it cannot be kept: ${messageOf(error)}`));
        this.#retryAt = this.#deps.now() + RETRY_STORE_MS;
      }
    });
    await work.catch((error: unknown) => {
      if (!(error instanceof MallaError) || error.code !== 'policy.busy') throw error;
      this.#retryAt = this.#deps.now();
    });
  }

  /** Judges what the file says, and adopts it. Throws MallaError `store.*`. */
  async #take(read: Result<string, string>, path: string): Promise<void> {
    const judged: Result<Policy, Refusal> = read.ok
      ? await this.#judgeFile(read.value)
      : { ok: false, error: unreadable(read.error) };
    this.#retryAt = Infinity;
    if (read.ok && judged.ok) {
      await this.#adopt(read.value, judged.value, 'file');
    } else if (!judged.ok) {
      this.#refuse(path, judged.error);
      if (judged.error.reason === 'tests') this.#retryAt = this.#deps.now() + RETRY_TESTS_MS;
    }
  }

  /** A text that is in force already passed its tests; that the tailnet has changed since takes it from nobody. */
  async #judgeFile(text: string): Promise<Result<Policy, Refusal>> {
    return this.inForce?.version.text === text ? ok(this.inForce.policy) : this.#judge(text);
  }

  async #mustBeGood(text: string): Promise<Policy> {
    const judged = await this.#judge(text);
    if (!judged.ok) throw refusalError(judged.error);
    return judged.value;
  }

  #judge(text: string): Promise<Result<Policy, Refusal>> {
    const { members, engineOptions, ledger } = this.#deps;
    return judge(text, members(), engineOptions, ({ id }) => nameIn(ledger.state, id));
  }

  async #adopt(text: string, policy: Policy, author: string): Promise<InForce> {
    const newest = this.#deps.ledger.state.nextId('policy') - 1;
    const { inForce } = this;
    if (inForce?.version.text === text && inForce.version.id === newest) {
      this.#refused = undefined;
      return inForce;
    }
    const source = this.#file === undefined ? 'database' : 'file';
    this.#judged = { text, policy };
    const version = await this.#deps.ledger
      .execute((state, context) => appendPolicy(state, { source, author, text }, context))
      .finally(() => {
        this.#judged = undefined;
      });
    await this.#applied;
    return this.inForce?.version === version ? this.inForce : { version, policy };
  }

  async #unset(author: string): Promise<Unset> {
    const held = this.#inForce;
    if (held !== undefined && held.policy === undefined) return held;
    const version = await this.#deps.ledger.execute((state, context) =>
      appendPolicy(state, { source: 'none', author, text: '' }, context),
    );
    await this.#applied;
    return { version, policy: undefined };
  }

  /** Another version is there: it is in force from now on. */
  #takeRows(changes: readonly Change[]): void {
    for (const { table, before, after } of changes) {
      if (table === 'policy' && before === undefined && after !== undefined) this.#hold(after);
    }
  }

  #hold(version: PolicyVersion): void {
    const { id, source, author, text } = version;
    const { log } = this.#deps;
    if (source === 'none') {
      log.info({ version: id, author }, 'policy unset');
      this.#inForce = { version, policy: undefined };
    } else {
      const read = this.#judged?.text === text ? ok(this.#judged.policy) : readPolicy(text);
      if (!read.ok) return this.#refuse(`version ${id}`, read.error);
      const { warnings } = read.value;
      log.info({ version: id, author }, 'policy in force');
      if (warnings.length > 0) {
        log.warn({ version: id, detail: oneLine(warnings) }, NO_EFFECT);
      }
      this.#inForce = { version, policy: read.value };
    }
    this.#refused = undefined;
    this.#tell();
  }

  #refuse(where: string, refusal: Refusal): void {
    if (this.#refused?.text === refusal.text) return;
    this.#refused = { ...refusal, where, since: this.#deps.now() };
    const { log } = this.#deps;
    log.error({ file: where, err: refusal.text }, 'policy refused');
    const warnings = refusal.policy?.warnings ?? [];
    if (warnings.length > 0) log.warn({ file: where, detail: oneLine(warnings) }, NO_EFFECT);
  }

  #tell(): void {
    if (!this.#isStarted) return;
    this.#applied = Promise.resolve(this.#deps.onChange(this.current));
    this.#applied.catch((error: unknown) => {
      this.#deps.log.error({ err: error }, 'the policy is not in force');
    });
  }

  #mustBeInDatabase(): void {
    if (this.#deps.source === 'database') return;
    throw readOnly(this.#deps.source);
  }
}

/** headscale's words, and where the policy is instead. */
export function readOnly(source: TailnetConfig['policy']['source']): MallaError {
  const cure =
    typeof source === 'object'
      ? `the policy is in ${source.file} (policy.path): edit that file`
      : 'policy.mode is file, and policy.path names none: name a file, or leave policy.mode out';
  return new MallaError(
    'policy.read-only',
    `update is disabled for modes other than 'database' (${cure})`,
  );
}

const NO_EFFECT = 'parts of the policy have no effect';

function oneLine(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('; ');
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
