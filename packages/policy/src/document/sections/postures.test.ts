import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseCondition } from './postures.ts';
import { policyOf, problemsOf } from '../testing/policies.ts';

describe('a posture', () => {
  test('has conditions on attributes', () => {
    const conditions = {
      "node:os == 'macos'": ['node:os', '==', 'macos'],
      'node:os != "windows"': ['node:os', '!=', 'windows'],
      "node:tsVersion >= '1.80.2'": ['node:tsVersion', '>=', '1.80.2'],
      'custom:score<50': ['custom:score', '<', 50],
      "node:os IN ['macos', 'linux',]": ['node:os', 'IN', 'macos', 'linux'],
      "custom:tier not in ['a b']": ['custom:tier', 'NOT IN', 'a b'],
      'custom:tier IS SET': ['custom:tier', 'IS SET'],
      'custom:tier NOT  SET': ['custom:tier', 'NOT SET'],
      'node:tsAutoUpdate == true': ['node:tsAutoUpdate', '==', true],
      ' node:tsAutoUpdate ': ['node:tsAutoUpdate', '==', true],
    };
    for (const [text, [attribute, operator, ...values]] of Object.entries(conditions)) {
      assert.deepEqual(
        parseCondition(text),
        { ok: true, value: { attribute, operator, values } },
        text,
      );
    }
  });

  test('has no condition of another form', () => {
    const texts = [
      '',
      "'node:os'",
      'node:os ==',
      'node:os = 1',
      "node:os == 'a' 'b'",
      "node:os == 'a",
      'node:os IN',
      'node:os IN []',
      "node:os IN ['a' 'b']",
      "node:os IN 'a'",
      'node:os SET',
      'node:os IS SET 1',
      "node:os < 'b'",
      'custom:a < true',
      'node:os == macos',
      "node:os LIKE 'm'",
      "node:os == ','  ,",
    ];
    for (const text of texts) {
      const parsed = parseCondition(text);
      assert.ok(!parsed.ok && parsed.error.message.startsWith('invalid posture condition'), text);
    }
  });

  test('asks only for attributes that the server can know', () => {
    const postures = {
      'posture:a': ["node:oss == 'linux'", 'falcon:ztaScore > 8', "ip:country == 'SE'"],
      b: [],
    };
    assert.deepEqual(problemsOf({ postures }), [
      'postures["posture:a"][0]: unknown posture attribute: "node:oss"',
      'postures["posture:a"][1]: posture attribute "falcon:ztaScore" is not supported: nothing tells this server its value',
      'postures["posture:a"][2]: posture attribute "ip:country" is not supported: nothing tells this server its value',
      'postures.b: posture must start with \'posture:\', got: "b"',
    ]);
  });

  test('is kept by its name', () => {
    assert.deepEqual(
      policyOf({})
        .postures.get('posture:mac')
        ?.conditions.map(({ attribute }) => attribute),
      ['node:os'],
    );
  });

  test('never makes its parser throw, whatever the text', () => {
    const words = fc.constantFrom(
      "'",
      '"',
      'node:os',
      'IN',
      '[',
      ']',
      ',',
      '==',
      '>',
      ' ',
      'SET',
      'NOT',
      '1',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(words).map((parts) => parts.join('')),
    );
    fc.assert(fc.property(texts, (text) => void parseCondition(text)));
  });
});
