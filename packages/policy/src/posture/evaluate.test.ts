import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PostureCondition } from '../policy.ts';
import { ALLOW_ALL } from '../policy.ts';
import type { PostureAttributes } from '../subjects.ts';
import { compareVersions, holds, meetsPostures } from './evaluate.ts';

const DEVICE: PostureAttributes = new Map<string, string | number | boolean>([
  ['node:os', 'macos'],
  ['node:osVersion', '14.10.0'],
  ['node:tsVersion', '1.80.2-tabc'],
  ['node:tsAutoUpdate', true],
  ['custom:score', 70],
  ['custom:asset', '007'],
]);

describe('a condition', () => {
  const cases: readonly (readonly [string, PostureCondition['operator'], unknown[], boolean])[] = [
    ['node:os', '==', ['macos'], true],
    ['node:os', '==', ['linux'], false],
    ['node:os', '!=', ['linux'], true],
    ['node:os', 'IN', ['linux', 'macos'], true],
    ['node:os', 'NOT IN', ['linux', 'windows'], true],
    ['node:os', 'IS SET', [], true],
    ['node:os', 'NOT SET', [], false],
    ['node:osVersion', '>', ['14.9'], true],
    ['node:osVersion', '>=', ['14.10'], true],
    ['node:osVersion', '<', ['14.10.1'], true],
    ['node:osVersion', '==', ['14.10'], false],
    ['node:osVersion', '==', ['14.10.0'], true],
    ['node:osVersion', '<=', ['14.10'], false],
    ['custom:asset', '==', ['7'], false],
    ['node:tsVersion', '>=', ['1.80'], true],
    ['node:tsVersion', '<=', ['1.80.1'], false],
    ['node:tsAutoUpdate', '==', [true], true],
    ['node:tsAutoUpdate', '==', ['true'], false],
    ['node:tsAutoUpdate', '<', [true], false],
    ['custom:score', '>=', [70], true],
    ['custom:score', '<', [9], false],
    ['custom:score', '<', ['9'], false],
  ];
  for (const [attribute, operator, values, wanted] of cases) {
    test(`${attribute} ${operator} ${JSON.stringify(values)} is ${wanted}`, () => {
      const condition = { attribute, operator, values } as PostureCondition;
      assert.equal(holds(condition, DEVICE), wanted);
    });
  }

  test('only NOT SET holds for an attribute that a device does not have', () => {
    for (const operator of ['==', '!=', '<', '<=', '>', '>=', 'IN', 'NOT IN', 'IS SET'] as const) {
      assert.equal(holds({ attribute: 'custom:tier', operator, values: ['prod'] }, DEVICE), false);
    }
    assert.equal(
      holds({ attribute: 'custom:tier', operator: 'NOT SET', values: [] }, DEVICE),
      true,
    );
  });
});

describe('postures', () => {
  const place = { line: 1, column: 1, path: '' };
  const policy = {
    ...ALLOW_ALL,
    postures: new Map([
      ['posture:mac', { place, conditions: [isMac('==')] }],
      ['posture:never', { place, conditions: [isMac('=='), isMac('!=')] }],
    ]),
  };

  test('none named are met', () => assert.ok(meetsPostures(policy, [], DEVICE)));
  test('one of those named is enough', () =>
    assert.ok(meetsPostures(policy, ['posture:never', 'posture:mac'], DEVICE)));
  test('all conditions of one must hold', () =>
    assert.ok(!meetsPostures(policy, ['posture:never'], DEVICE)));
  test('one that is not defined is not met', () =>
    assert.ok(!meetsPostures(policy, ['posture:gone'], DEVICE)));
});

describe('versions', () => {
  const rising = [
    '1',
    '1.2',
    '1.9.3',
    '1.10',
    '1.10-rc1',
    '1.10-rc2',
    '1.10.0',
    '1.10.1',
    '2',
    'v1',
  ];
  test('are ordered by their numbers, and by what is between them', () => {
    for (const [i, a] of rising.entries()) {
      for (const [j, b] of rising.entries()) {
        assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
      }
    }
  });

  test('any two texts are ordered, and the other way round in reverse', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        assert.equal(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a)), 0);
      }),
    );
  });
});

function isMac(operator: '==' | '!='): PostureCondition {
  return { attribute: 'node:os', operator, values: ['macos'] };
}
