import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PreviewBody } from '@malla/api/v1/policy-schemas';
import { MallaError } from '@malla/base/error';
import { type NamedTailnet, readTopology } from './topology.ts';

const USERS = [{ id: 1, name: 'odin', email: 'odin@example.com' }];
const NODE = { user: 'odin', ipv4: '100.64.0.1' };

function read(users: unknown, nodes: unknown): NamedTailnet {
  const body = PreviewBody.parse({ policy: '{}', users, nodes });
  return readTopology({ users: body.users ?? [], nodes: body.nodes ?? {} });
}

describe('a topology', () => {
  test('is users, and nodes by name with what they announce and serve', () => {
    const { users, nodes } = read(USERS, {
      laptop: { ...NODE, hostname: 'laptop', ipv6: 'fd7a::1', tags: [], routable_ips: null },
      router: {
        tags: ['tag:b', 'tag:a'],
        ipv4: '100.64.0.2',
        routable_ips: ['10.0.0.0/8', '0.0.0.0/0', '::/0'],
        approved_routes: ['0.0.0.0/0', '::/0', '192.168.0.0/16', '10.0.0.0/8'],
      },
      owned: { user: 'thor', tags: ['tag:a'], ipv4: '100.64.0.4' },
      byMail: { user: 'odin@example.com', ipv4: '100.64.0.3', posture: { 'node:os': 'linux' } },
    });
    assert.deepEqual(users, [{ ...USERS[0], providerId: '', role: undefined }]);
    assert.equal(nodes.get('owned')?.userId, undefined);
    const laptop = nodes.get('laptop');
    assert.deepEqual([laptop?.id, laptop?.userId, laptop?.addresses.length], [1, 1, 2]);
    const router = nodes.get('router');
    assert.deepEqual(
      [router?.id, router?.userId, router?.tags, router?.routes.length, router?.exitNode],
      [2, undefined, ['tag:a', 'tag:b'], 1, true],
    );
    assert.equal(router?.announced.length, 3);
    assert.equal(nodes.get('byMail')?.userId, 1);
    assert.equal(nodes.get('byMail')?.posture.get('node:os'), 'linux');
  });

  test('may have users without ids, who are told apart all the same', () => {
    for (const id of [1, 2, 7, Number.MAX_SAFE_INTEGER]) {
      const { users } = read([{ id: 0, name: 'a' }, { name: 'b' }, { id, name: 'c' }], {});
      assert.equal(new Set(users.map((user) => user.id)).size, 3);
    }
  });

  test('is refused with all that is wrong between its parts', () => {
    const nodes = {
      a: { ...NODE, user: 'thor' },
      b: { tags: ['tag:x'], ipv6: 'fd7a::1', id: 1, routable_ips: ['10.0.0.1/8'] },
      c: { tags: ['tag:x'], ipv6: 'fd7a:0::1' },
    };
    assert.throws(
      () => read(USERS, nodes),
      (error) =>
        error instanceof MallaError &&
        error.code === 'policy.topology-invalid' &&
        error.message ===
          'nodes.a: there is no user "thor" in users; nodes.b: 10.0.0.1/8 is not the prefix of a network; nodes.b: the id 1 is there twice; nodes.c: the address fd7a::1 is there twice',
    );
  });

  test('of which a value is not what it should be is refused before that', () => {
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`n${i}`, NODE]));
    for (const [body, path] of [
      [{ nodes: many }, 'nodes'],
      [{ nodes: { a: { ...NODE, owner: 'odin' } } }, 'nodes.a'],
      [{ nodes: { a: { ipv4: '100.64.0.1' } } }, 'nodes.a'],
      [{ nodes: { a: { user: 'odin' } } }, 'nodes.a'],
      [{ nodes: { a: { user: 'odin', ipv4: 'fd7a::1' } } }, 'nodes.a.ipv4'],
      [{ nodes: { a: { tags: ['x'], ipv4: '100.64.0.1' } } }, 'nodes.a.tags.0'],
      [{ nodes: { a: { ...NODE, routable_ips: ['10.0.0.0'] } } }, 'nodes.a.routable_ips.0'],
      [{ users: [{ id: 1 }] }, 'users.0.name'],
      [{ users: [...USERS, ...USERS] }, 'users'],
      [{ users: 'odin' }, 'users'],
    ] as const) {
      const checked = PreviewBody.safeParse({ policy: '{}', ...body });
      assert.equal(
        checked.error?.issues[0]?.path.join('.'),
        path,
        JSON.stringify(body).slice(0, 90),
      );
    }
  });
});
