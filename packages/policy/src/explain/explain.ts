/**
 * Why a flow is allowed or not, in both directions.
 */
import type { Explainable } from '../contract.ts';
import { byAddress, type NodeName } from './ends.ts';
import type { Explanation, Question } from './explanation.ts';
import { Inquiry } from './inquiry.ts';

/** Answers a question; `name` says how devices are called in texts. Never throws. */
export function explain(
  engine: Explainable,
  question: Question,
  name: NodeName = byAddress,
): Explanation {
  const inquiry = new Inquiry(engine, question, name);
  const forward = inquiry.direction(question.source, question.destination);
  const reverse = inquiry.mayBegin(question.destination)
    ? inquiry.direction(question.destination, question.source)
    : null;
  const text =
    reverse === null ? forward.text : `${forward.text}\nThe other way round: ${reverse.text}`;
  return { outcome: forward.outcome, forward, reverse, text };
}
