/** REST handlers: the policy. */
import { protocolNumber } from '@malla/api/v1/policy-explain-schemas';
import type { AnswerOf, HandlerInput } from '@malla/api/v1/routes';
import { MallaError } from '@malla/base/error';
import { type PreviewedNodes, PolicyQuestions } from '../policy/questions.ts';
import { problemFacts } from '../policy/refusal-error.ts';
import type { AdminDeps } from './deps.ts';
import { AnswerInPieces, type HandlersOf } from './handler.ts';
import { idOf } from './input.ts';
import { checkView, policyView, setView, versionView } from './policy-views.ts';

export function policyHandlers({
  policy: deps,
}: AdminDeps): HandlersOf<
  | 'getPolicy'
  | 'setPolicy'
  | 'unsetPolicy'
  | 'checkPolicy'
  | 'testPolicy'
  | 'previewPolicy'
  | 'comparePolicy'
  | 'explainPolicy'
  | 'policyStatus'
  | 'listPolicyVersions'
  | 'getPolicyVersion'
  | 'rollbackPolicy'
> {
  const { holder, configured } = deps;
  const questions = new PolicyQuestions(deps);
  return {
    getPolicy() {
      return policyView(holder);
    },

    async setPolicy({ policy }, { name: author }) {
      // What user interfaces send to clear it.
      if (policy === '') return setView(await holder.unset(author));
      return setView(await holder.set(policy, author));
    },

    async unsetPolicy(_input, { name: author }) {
      await holder.unset(author);
      return { default: configured.default };
    },

    async checkPolicy({ policy }) {
      return checkView(await holder.check(policy));
    },

    async testPolicy({ policy }) {
      const { tests, failures, warnings } = await questions.test(policy);
      return {
        tests,
        failures: failures.map(problemFacts),
        ...(warnings.length === 0 ? {} : { warnings: warnings.map(problemFacts) }),
      };
    },

    previewPolicy(input) {
      return previewPolicy(input);
    },

    async comparePolicy({ policy }) {
      // Absent with `unset`, as the schema has seen to.
      const { warnings, ...changes } = await questions.changes(policy);
      return { ...changes, warnings: warnings.map(problemFacts) };
    },

    async explainPolicy({ source, destination, port, protocol: named, sshUser, policy }) {
      if (sshUser !== undefined) {
        const ssh = await questions.explainSsh({ source, destination, user: sshUser }, policy);
        return { outcome: ssh.outcome, text: ssh.text, network: null, ssh };
      }
      const protocol = protocolNumber(named);
      const question = { source, destination, port, protocol };
      const network = await questions.explain(question, policy);
      return { outcome: network.outcome, text: network.text, network, ssh: null };
    },

    policyStatus() {
      return {
        mode: configured.source === 'database' ? 'database' : 'file',
        default: configured.default,
        version: holder.version === undefined ? null : versionView(holder.version),
        warnings: [...holder.warnings],
      };
    },

    async listPolicyVersions({ limit }) {
      const heads = await holder.history(Number(limit));
      return { versions: heads.map(versionView) };
    },

    async getPolicyVersion({ id }) {
      const version = await holder.versionOf(idOf(id));
      return { version: versionView(version), policy: version.text };
    },

    async rollbackPolicy({ id }, { name: author }) {
      return setView(await holder.rollback(idOf(id), author));
    },
  };

  async function previewPolicy({
    policy,
    users = [],
    nodes,
    of,
  }: HandlerInput<'previewPolicy'>): Promise<AnswerOf<'previewPolicy'> | AnswerInPieces> {
    const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
    const topology =
      nodes === undefined && users.length === 0 ? undefined : { users, nodes: nodes ?? {} };
    try {
      const { nodes: told, end } = await questions.preview(text, topology, of);
      return new AnswerInPieces(previewPieces(told), end);
    } catch (error) {
      if (!(error instanceof MallaError) || error.code !== 'policy.invalid') throw error;
      return { accepted: false, error: error.message };
    }
  }
}

/** @yields The JSON of the answer, a node at a time. */
async function* previewPieces(nodes: PreviewedNodes['nodes']): AsyncGenerator<string, void> {
  let before = '{"accepted":true,"nodes":{';
  for await (const [name, told] of nodes) {
    yield `${before}${JSON.stringify(name)}:${JSON.stringify(told)}`;
    before = ',';
  }
  yield `${before === ',' ? '' : before}}}`;
}
