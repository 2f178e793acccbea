import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkName, labelFor, MAX_LABEL_BYTES, uniqueName } from './names.ts';

/** As clients may write them. */
const RESERVED =
  `wpad WPAD _wpad wpad.local isatap localhost Localhost.localdomain localhost4 localhost6
  localdomain loopback broadcasthost ip6-localhost ip6_loopback ip6-allnodes ip6-allrouters`.split(
    /\s+/,
  );

describe('node names', () => {
  test('a hostname becomes a lower-case label', () => {
    assert.equal(labelFor('Nodo1'), 'nodo1');
  });

  test('dots, blanks, underscores and at signs inside a hostname become hyphens', () => {
    assert.equal(labelFor("Ann's_Mac Book.office@home"), 'anns-mac-book-office-home');
  });

  test('suffixes that systems append are not part of the name', () => {
    assert.equal(labelFor('macbook.local'), 'macbook');
    assert.equal(labelFor('pi.lan'), 'pi');
    assert.equal(labelFor('srv.localdomain'), 'srv');
  });

  test('a label neither begins nor ends with a hyphen', () => {
    assert.equal(labelFor('--a--'), 'a');
    assert.equal(labelFor('.é-x-é.'), 'x');
  });

  test('a hostname of which nothing is left is called node', () => {
    assert.equal(labelFor(''), 'node');
    assert.equal(labelFor('日本'), 'node');
  });

  test('any hostname becomes a name that may be given', () => {
    const anyText = fc.array(fc.nat(0x10ffff), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          anyText.map((it) => String.fromCodePoint(...it)),
          fc.constantFrom(...RESERVED),
          fc.stringMatching(/^[xX][nN][-_. @]{1,3}[a-z-]{0,60}$/),
        ),
        (text) => {
          const name = uniqueName(labelFor(text), () => false);
          assert.deepEqual(checkName(name), { ok: true, value: name });
        },
      ),
    );
  });

  test('nodes of one hostname are numbered in the order they come', () => {
    const names = new Set<string>();
    for (let i = 0; i < 100; i++) names.add(uniqueName('web', (name) => names.has(name)));
    const expected = ['web', ...Array.from({ length: 99 }, (_, i) => `web-${i + 1}`)];
    assert.deepEqual([...names], expected);
  });

  test('whatever names are taken, the chosen one is free and valid', () => {
    const label = fc.stringMatching(/^[a-z]([a-z-]{0,61}[a-z])?$/);
    const numbers = fc.array(fc.integer({ min: 1, max: 40 }));
    fc.assert(
      fc.property(label, numbers, (wanted, taken) => {
        const names = new Set([wanted, ...taken.map((n) => `${wanted}-${n}`)]);
        const name = uniqueName(wanted, (candidate) => names.has(candidate));
        assert.ok(!names.has(name));
        assert.ok(checkName(name).ok);
      }),
    );
  });

  test('a number makes room for itself in a label of full length', () => {
    const long = 'a'.repeat(MAX_LABEL_BYTES);
    assert.equal(
      uniqueName(long, (name) => name === long),
      `${long.slice(0, -2)}-1`,
    );
  });

  test('what programs look up to find their own machine or a proxy is no name of a node', () => {
    for (const name of RESERVED) {
      assert.equal(
        uniqueName(labelFor(name), () => false),
        `${labelFor(name)}-1`,
      );
      assert.deepEqual(checkName(labelFor(name)), { ok: false, error: 'reserved' });
    }
    const taken = new Set(['wpad-1', 'wpad-2']);
    assert.equal(
      uniqueName('wpad', (name) => taken.has(name)),
      'wpad-3',
    );
    for (const name of ['gateway', 'proxy', 'my-wpad', 'localhost-7', 'local']) {
      assert.ok(checkName(name).ok, name);
      assert.equal(
        uniqueName(labelFor(name), () => false),
        name,
      );
    }
  });

  test('what programs show as other letters is no name of a node', () => {
    for (const [hostname, name] of [
      ['xn--80ak6aa92e', 'xn-80ak6aa92e'],
      ['XN--80ak6aa92e.local', 'xn-80ak6aa92e'],
      ['xn_-80ak', 'xn-80ak'],
      ['xn. @_-80ak', 'xn-80ak'],
      ['-xn--80ak', 'xn-80ak'],
      ['xnй--80ak', 'xn-80ak'],
      ['xn-', 'xn'],
      ['axn--80ak', 'axn--80ak'],
      ['my--pc', 'my--pc'],
    ] as const) {
      const label = labelFor(hostname);
      assert.deepEqual([label, checkName(label).ok], [name, true]);
    }
    assert.deepEqual(checkName('xn--80ak6aa92e'), { ok: false, error: 'punycode' });
  });

  test('a name that is no DNS label is refused, and why is said', () => {
    assert.deepEqual(checkName(''), { ok: false, error: 'empty' });
    assert.deepEqual(checkName('a'.repeat(64)), { ok: false, error: 'too-long' });
    assert.deepEqual(checkName('Laptop'), { ok: false, error: 'upper-case' });
    assert.deepEqual(checkName('my laptop'), { ok: false, error: 'bad-character' });
    assert.deepEqual(checkName('laptop-'), { ok: false, error: 'bad-edge' });
  });
});
