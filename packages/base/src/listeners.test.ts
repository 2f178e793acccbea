import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Listeners } from './listeners.ts';

describe('listeners', () => {
  test('are told in order, until they are taken away', () => {
    const heard: string[] = [];
    const listeners = new Listeners<number>(() => assert.fail());
    const leave = listeners.add((event) => heard.push(`a ${event}`));
    listeners.add((event) => heard.push(`b ${event}`));
    listeners.tell(1);
    leave();
    listeners.tell(2);
    assert.deepEqual(heard, ['a 1', 'b 1', 'b 2']);
  });

  test('that throw keep nobody from being told, and their own owner hears of it', () => {
    const [common, own, heard]: [unknown[], unknown[], number[]] = [[], [], []];
    const listeners = new Listeners<number>((error) => common.push(error));
    const bug = new Error('a bug');
    const broken = (): void => {
      throw bug;
    };
    listeners.add(broken);
    listeners.add(broken, (error) => own.push(error));
    listeners.add((event) => heard.push(event));
    listeners.tell(1);
    assert.deepEqual([common, own, heard], [[bug], [bug], [1]]);
  });
});
