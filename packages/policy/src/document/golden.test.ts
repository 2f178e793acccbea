import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type GoldenCase, goldenCases, goldenText } from '../testing/golden.ts';
import { parsePolicy } from './parse.ts';

const CATEGORIES = ['acl', 'grant', 'nodeattrs', 'policytest', 'routes', 'ssh', 'sshtest'];

/** Recorded answers that are not ours, each with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'nodeattrs-error-e3-autogroup-self': 'the service failed instead of answering; we say why',
  'ssh-b4': 'the service knows which domains a company has proved to own',
  'ssh-d1': 'the service knows which domains a company has proved to own',
  'ssh-e2': 'the service knows which domains a company has proved to own',
};

for (const category of CATEGORIES) {
  const cases = goldenCases(category);
  describe(
    `recorded answers: ${category}`,
    { skip: cases === undefined && 'no recordings' },
    () => {
      for (const golden of cases ?? []) {
        if (DIFFERENT[golden.id] !== undefined) continue;
        test(`${golden.id}: ${expectation(golden)}`, () => check(golden));
      }
    },
  );
}

const all = CATEGORIES.flatMap((category) => goldenCases(category) ?? []);

test(
  'every answer that is not ours is one of the recordings',
  { skip: all.length === 0 && 'no recordings here' },
  () => {
    const ids = new Set(all.map(({ id }) => id));
    for (const id of Object.keys(DIFFERENT)) assert.ok(ids.has(id), id);
  },
);

for (const golden of all.filter(({ id }) => DIFFERENT[id] !== undefined)) {
  const ours = golden.status === 200 || golden.status === 500 ? 'refused' : 'accepted';
  test(`${golden.id} is ${ours}: ${DIFFERENT[golden.id]}`, () => {
    assert.equal(parsePolicy(goldenText(golden)).ok, ours === 'accepted');
  });
}

/** What tests of the policy say is for whoever runs them: the text is accepted. */
function isAccepted({ status, error }: GoldenCase): boolean {
  return status === 200 || error?.message === 'test(s) failed';
}

function expectation(golden: GoldenCase): string {
  return isAccepted(golden) ? 'the text is accepted' : 'the text is refused in the same words';
}

function check(golden: GoldenCase): void {
  const parsed = parsePolicy(goldenText(golden));
  const messages = parsed.ok ? [] : parsed.error.map(({ message }) => message);
  if (isAccepted(golden)) {
    assert.deepEqual(messages, []);
  } else {
    const wanted = golden.error?.message ?? '';
    assert.ok(messages.join('\n').includes(wanted), `${messages.join('\n')}\nlacks\n${wanted}`);
  }
}
