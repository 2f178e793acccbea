/**
 * Why a session over SSH is accepted, held for approval, or denied: by which rule, or for want of which.
 * A session needs both a rule of `ssh` and an open TCP port 22.
 */
import type { Explainable } from '../contract.ts';
import type { SshRule } from '../policy.ts';
import { byAddress, type End, Ends, isPresent, type NodeName, referEnd } from './ends.ts';
import type {
  Match,
  Reason,
  SshExplanation,
  SshFinding,
  SshOutcome,
  SshQuestion,
} from './explanation.ts';
import { Inquiry, OWN } from './inquiry.ts';
import { merged, pairs, representatives } from './pairs.ts';
import { because, list, noEnd } from './reasons.ts';
import { type SshCandidate, type SshSource, SshTable } from './ssh-table.ts';
import { formatAlias, formatPlace, linesOf, Protocol, refer } from './words.ts';

const SSH = { protocol: Protocol.tcp, port: 22 };
const MAX_REASONS = 5;

/** Answers a question; `name` says how devices are called in texts. Never throws. */
export function explainSsh(
  engine: Explainable,
  question: SshQuestion,
  name: NodeName = byAddress,
): SshExplanation {
  const ends = new Ends(engine, name);
  const from = ends.of(question.source);
  if (!from.ok) return nobody(noEnd(from.error, 'unknown-source'));
  const self = question.destination === OWN;
  const to = self ? undefined : ends.of(question.destination);
  if (to?.ok === false) return nobody(noEnd(to.error, 'unknown-destination'));

  const table = new SshTable(engine);
  const network = new Inquiry(engine, SSH, name);
  const sources = table.distinct(from.value, (end) =>
    isPresent(end) ? engine.classOf(end.node.id) : end.name,
  );
  const fixed = representatives(engine, to?.value ?? []);
  const { pairs: all, unexamined } = pairs(
    sources.map(({ end }) => end),
    (end) => (self ? representatives(engine, ends.ownOf(end)) : fixed),
  );
  const byEnd = new Map(sources.map((source) => [source.end, source]));
  const findings = all.flatMap(({ source, destination }) => {
    const asked = byEnd.get(source);
    return asked === undefined ? [] : [session(table, network, asked, destination, question.user)];
  });
  if (findings.length === 0) {
    const text = `${question.source} has no user, so autogroup:self means nothing to it`;
    return nobody(because('nobody', undefined, text));
  }
  return summary(
    merged(findings, ({ outcome, match, reasons }) => JSON.stringify([outcome, match, reasons])),
    unexamined,
  );
}

function session(
  table: SshTable,
  network: Inquiry,
  source: SshSource,
  destination: End,
  user: string,
): SshFinding {
  const verdict = table.verdict(source, destination, user);
  const pair = { source: source.end, destination };
  const example = { source: referEnd(source.end), destination: referEnd(destination) };
  const where = `${source.end.name} ${verdict.outcome === 'denied' ? 'may not' : 'may'} open an SSH session on ${destination.name} as ${user}`;
  if (verdict.outcome === 'denied') {
    const reasons = whyNot(table, source, destination, verdict.near, user);
    const text = `${where}: ${reasons.map((reason) => reason.text).join('; ')}`;
    return { outcome: 'denied', flows: 1, example, match: null, reasons, text };
  }
  const { rule } = verdict.by;
  const match = matchOf(verdict.by);
  const why = `${formatPlace(rule.place)} has ${match.source} to ${match.destination}`;
  const flow = network.finding(pair);
  if (!flow.allowed) {
    const reason: Reason = {
      kind: 'network',
      rule: null,
      text: `${why}, but TCP port 22 is closed: ${flow.reasons.map(({ text }) => text).join('; ')}`,
    };
    const text = `${source.end.name} may not open an SSH session on ${destination.name} as ${user}: ${reason.text}`;
    return { outcome: 'denied', flows: 1, example, match, reasons: [reason], text };
  }
  const held = verdict.outcome === 'check' ? ' once it is approved' : '';
  return {
    outcome: verdict.outcome,
    flows: 1,
    example,
    match,
    reasons: [],
    text: `${where}${held}: ${why}`,
  };
}

/** The rules that come near, nearest first. */
function whyNot(
  table: SshTable,
  source: SshSource,
  destination: End,
  near: readonly SshCandidate[],
  user: string,
): readonly Reason[] {
  if (destination.node === undefined) {
    return [because('destination', undefined, `${destination.name} is no device of the tailnet`)];
  }
  if (table.rules.length === 0) {
    return [
      table.isPolicy
        ? because('nothing', undefined, 'the policy has no SSH rules')
        : because('no-policy', undefined, 'no policy is set, and only an SSH rule lets anybody in'),
    ];
  }
  const reasons = near.map((candidate) => missing(candidate, source.end, user));
  for (const [i, rule] of table.rules.entries()) {
    if (reasons.length >= MAX_REASONS) break;
    if (near.some((candidate) => candidate.rule === rule)) continue;
    const place = formatPlace(rule.place);
    if (source.words[i] !== undefined) {
      reasons.push(
        because(
          'destination',
          rule,
          `${place} has the source, but its destination is ${aliases(rule.destinations)}`,
        ),
      );
    } else if (table.means(rule, destination)) {
      const tags = source.end.node?.tags ?? [];
      const tagged =
        tags.length > 0
          ? `; ${source.end.name} is a tagged device (${list(tags)}), which belongs to no user`
          : '';
      reasons.push(
        because(
          tagged === '' ? 'source' : 'tagged',
          rule,
          `${place} has the destination, but its source is ${aliases(rule.sources)}${tagged}`,
        ),
      );
    }
  }
  if (reasons.length > 0) return reasons.slice(0, MAX_REASONS);
  const text = `no SSH rule has ${source.end.name} as a source or ${destination.name} as a destination`;
  return [because('nothing', undefined, text)];
}

function missing({ rule, fit, source, destination }: SshCandidate, end: End, user: string): Reason {
  const place = formatPlace(rule.place);
  const pair = `${formatAlias(source.value)} to ${formatAlias(destination.value)}`;
  switch (fit) {
    case 'posture':
      return because(
        'posture',
        rule,
        `${place} has ${pair}, but ${end.name} meets none of its postures (${list(rule.postures.map(({ value }) => value))})`,
      );
    case 'self':
      return because(
        'self',
        rule,
        `${place} has autogroup:self, but the two are not devices of one user`,
      );
    case 'user':
    case 'admits':
      return because(
        'user',
        rule,
        `${place} has ${pair}, but not the user ${user}: it opens ${list(rule.users.map(({ value }) => value))}`,
      );
  }
}

function aliases(names: SshRule['sources']): string {
  return list(names.map(({ value }) => formatAlias(value)));
}

function nobody(reason: Reason): SshExplanation {
  const nowhere = { node: null, address: null };
  const finding: SshFinding = {
    outcome: 'denied',
    flows: 0,
    example: { source: nowhere, destination: nowhere },
    match: null,
    reasons: [reason],
    text: reason.text,
  };
  return { outcome: 'denied', findings: [finding], unexamined: 0, text: reason.text };
}

function summary(findings: readonly SshFinding[], unexamined: number): SshExplanation {
  const outcomes = new Set<SshOutcome>(findings.map(({ outcome }) => outcome));
  const [only] = outcomes;
  return {
    outcome: outcomes.size === 1 && only !== undefined ? only : 'mixed',
    findings,
    unexamined,
    text: linesOf(findings, unexamined),
  };
}

function matchOf({ rule, source, destination }: SshCandidate): Match {
  return {
    rule: refer(rule.place),
    source: formatAlias(source.value),
    destination: formatAlias(destination.value),
  };
}
