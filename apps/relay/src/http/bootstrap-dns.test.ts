import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { BootstrapDns, MAX_NAMES } from './bootstrap-dns.ts';

/** A resolver that answers from a table and keeps what it was asked. */
class Table {
  readonly asked: string[] = [];
  readonly hosts = new Map<string, readonly string[]>([
    ['a.example.org', ['192.0.2.1', '2001:db8::1']],
    ['b.example.org', ['192.0.2.2']],
  ]);

  readonly resolve = (name: string): Promise<readonly string[]> => {
    this.asked.push(name);
    const found = this.hosts.get(name);
    return found === undefined ? Promise.reject(new Error('no such name')) : Promise.resolve(found);
  };
}

describe('bootstrap dns', () => {
  test('a known name is answered alone, anything else with all names', async () => {
    const table = new Table();
    const names = ['a.example.org', 'b.example.org'];
    const dns = new BootstrapDns(() => names, table.resolve, new HandClock());
    assert.deepEqual(await dns.answer('b.example.org'), { 'b.example.org': ['192.0.2.2'] });
    const all = Object.fromEntries(table.hosts);
    assert.deepEqual(await dns.answer('evil.example.org'), all);
    assert.deepEqual(await dns.answer(null), all);
  });

  test('names that are not configured are never looked up', async () => {
    const table = new Table();
    const dns = new BootstrapDns(() => ['a.example.org'], table.resolve, new HandClock());
    await dns.answer('b.example.org');
    assert.deepEqual(table.asked, ['a.example.org']);
  });

  test('answers are kept for five minutes, and old ones when the resolver fails', async () => {
    const table = new Table();
    const clock = new HandClock();
    const dns = new BootstrapDns(() => ['b.example.org'], table.resolve, clock);
    await dns.answer(null);
    clock.advance(299_000);
    await dns.answer(null);
    assert.equal(table.asked.length, 1);
    table.hosts.clear();
    clock.advance(2_000);
    assert.deepEqual(await dns.answer(null), { 'b.example.org': ['192.0.2.2'] });
    assert.equal(table.asked.length, 2);
    assert.deepEqual(await dns.answer(null), { 'b.example.org': ['192.0.2.2'] });
  });

  test('a name without addresses is left out and asked for again soon', async () => {
    const table = new Table();
    const clock = new HandClock();
    const dns = new BootstrapDns(() => ['c.example.org'], table.resolve, clock);
    assert.deepEqual(await dns.answer(null), {});
    table.hosts.set('c.example.org', ['192.0.2.3']);
    clock.advance(30_000);
    await dns.answer(null);
    assert.deepEqual(await dns.answer(null), { 'c.example.org': ['192.0.2.3'] });
  });

  test('an address literal is its own answer', async () => {
    const table = new Table();
    const dns = new BootstrapDns(() => ['192.0.2.9'], table.resolve, new HandClock());
    assert.deepEqual(await dns.answer(null), { '192.0.2.9': ['192.0.2.9'] });
    assert.deepEqual(table.asked, []);
  });

  test('names follow the map, up to a bound', async () => {
    const table = new Table();
    let names = Array.from({ length: MAX_NAMES + 5 }, (_, i) => `h${i}.example.org`);
    const dns = new BootstrapDns(() => names, table.resolve, new HandClock());
    await dns.answer(null);
    assert.equal(table.asked.length, MAX_NAMES);
    names = ['a.example.org'];
    assert.deepEqual(Object.keys(await dns.answer(null)), names);
  });
});
