import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, parseEndpoint } from '@malla/ip/endpoint';
import { type Dependence, Nat, type NatKind } from './nat.ts';

const INSIDE = at('192.168.1.2:41641');
const A1 = at('192.0.2.1:1');
const A2 = at('192.0.2.1:2');
const B1 = at('192.0.2.2:1');

function at(text: string): Endpoint {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return read.value;
}

function nat(extra: Partial<NatKind>): Nat {
  let n = 0;
  const kind: NatKind = {
    mapping: 'endpoint-independent',
    filtering: 'endpoint-independent',
    idleMs: 1000,
    hairpins: false,
    ...extra,
  };
  return new Nat(kind, () => ++n);
}

/** Of three packets, to A1, A2 and B1: which have the outer port of the first. */
const MAPPINGS: Readonly<Record<Dependence, readonly boolean[]>> = {
  'endpoint-independent': [true, true, true],
  address: [true, true, false],
  'address-and-port': [true, false, false],
};

describe('a NAT', () => {
  for (const dependence of Object.keys(MAPPINGS) as Dependence[]) {
    test(`maps by ${dependence}`, () => {
      const subject = nat({ mapping: dependence });
      const ports = [A1, A2, B1].map((to) => subject.out(INSIDE, to, 0));
      assert.deepEqual(
        ports.map((port) => port === ports[0]),
        MAPPINGS[dependence],
      );
    });

    test(`filters by ${dependence}`, () => {
      const subject = nat({ filtering: dependence });
      const port = subject.out(INSIDE, A1, 0);
      assert.deepEqual(
        [A1, A2, B1].map((from) => subject.in(from, port, 0) === INSIDE),
        MAPPINGS[dependence],
      );
    });
  }

  test('forgets what is not used, counted from the last packet out', () => {
    const subject = nat({});
    const port = subject.out(INSIDE, A1, 0);
    subject.out(INSIDE, A1, 500);
    assert.equal(subject.in(A1, port, 1499), INSIDE);
    assert.equal(subject.in(A1, port, 1500), undefined);
  });

  test('keeps ports apart', () => {
    const subject = nat({});
    const other = at('192.168.1.3:41641');
    assert.equal(subject.out(INSIDE, A1, 0), 41_641);
    assert.notEqual(subject.out(other, A1, 0), 41_641);
  });
});
