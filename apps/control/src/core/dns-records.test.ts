import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTailnet, refusal, type TestTailnet } from '../testing/rows.ts';
import type { StoredDnsRecord } from './change.ts';
import { addDnsRecord, removeDnsRecords } from './dns-records.ts';

const BASE = 'tailnet.example.org';

function add(tailnet: TestTailnet, name: string, value: string, type?: string): StoredDnsRecord {
  return tailnet.run((state, context) => addDnsRecord(state, { name, type, value }, BASE, context));
}

function names(tailnet: TestTailnet): readonly string[] {
  return [...tailnet.state.dnsRecords()].map(({ name, value }) => `${name} ${value}`);
}

describe('a DNS record', () => {
  test('is kept in its one spelling', () => {
    const tailnet = createTailnet({});
    assert.deepEqual(add(tailnet, 'Grafana.Example.', 'FD7A::1'), {
      id: 1,
      tailnet: 1,
      name: 'grafana.example',
      type: 'AAAA',
      value: 'fd7a::1',
      createdAt: 1_000_000,
    });
  });

  test('that clients could not answer is refused', () => {
    const tailnet = createTailnet({});
    for (const [name, value, type] of [
      ['*.example', '192.0.2.1', undefined],
      ['a.example', 'b.example', undefined],
      ['a.example', 'b.example', 'CNAME'],
    ] as const) {
      assert.equal(refusal(() => add(tailnet, name, value, type)).code, 'dns.record-invalid');
    }
  });

  test('is added once, and another address of the same name beside it', () => {
    const tailnet = createTailnet({});
    add(tailnet, 'a.example', '192.0.2.1');
    const { code, details } = refusal(() => add(tailnet, 'A.example.', '192.0.2.1', 'A'));
    assert.deepEqual([code, details], ['dns.record-exists', { id: 1 }]);
    add(tailnet, 'a.example', '192.0.2.2');
    assert.deepEqual(names(tailnet), ['a.example 192.0.2.1', 'a.example 192.0.2.2']);
  });

  test('cannot take the name of a node, only one below it or elsewhere', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'web1' }] });
    const { code, message } = refusal(() => add(tailnet, `Web1.${BASE}`, '192.0.2.1'));
    assert.deepEqual([code, message], ['dns.record-exists', `web1.${BASE} is the name of a node`]);
    add(tailnet, `blog.web1.${BASE}`, '192.0.2.1');
    add(tailnet, 'web1.example.org', '192.0.2.1');
    add(tailnet, BASE, '192.0.2.1');
  });

  test('is removed by its id', () => {
    const tailnet = createTailnet({});
    for (const name of ['a.example', 'b.example']) add(tailnet, name, '192.0.2.1');
    tailnet.run((state) => removeDnsRecords(state, { id: 1 }));
    assert.deepEqual(names(tailnet), ['b.example 192.0.2.1']);
    const again = refusal(() => tailnet.run((state) => removeDnsRecords(state, { id: 1 })));
    assert.equal(again.code, 'dns.record-not-found');
  });

  test('is removed by its name, however spelled, and of one address or type where given', () => {
    const tailnet = createTailnet({});
    for (const value of ['192.0.2.1', '192.0.2.2', 'fd7a::1', 'fd7a::2']) {
      add(tailnet, 'a.example', value);
    }
    const remove = (selector: object): number =>
      tailnet.run((state) => removeDnsRecords(state, { name: 'A.example.', ...selector })).length;
    assert.equal(remove({ value: 'FD7A:0::1' }), 1);
    assert.equal(remove({ type: 'aaaa' }), 1);
    assert.equal(remove({}), 2);
    assert.match(
      refusal(() => remove({ type: 'A' })).message,
      /no DNS record A\.example\. A to remove/,
    );
  });

  test('is not removed where it is not said which', () => {
    const tailnet = createTailnet({});
    for (const selector of [{}, { id: 1, name: 'a.example' }]) {
      const { code } = refusal(() => tailnet.run((state) => removeDnsRecords(state, selector)));
      assert.equal(code, 'request.invalid');
    }
  });
});
