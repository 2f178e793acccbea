import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix } from '@malla/ip/prefix';
import { hintsOf, policyOf, problemsOf } from '../testing/policies.ts';

describe('groups', () => {
  test('hold users, with their places', () => {
    const { groups } = policyOf({
      groups: { 'group:a': [' ada@example.com ', 'local@'] },
      tagOwners: {},
    });
    assert.deepEqual(
      groups.get('group:a')?.map(({ value, place }) => [value, place.path]),
      [
        ['ada@example.com', 'groups["group:a"][0]'],
        ['local@', 'groups["group:a"][1]'],
      ],
    );
  });

  test('hold no groups, no tags and nobody without an @', () => {
    const groups = { 'group:a': ['group:b', 'tag:web', 'ada', 'user:*@example.com'], team: [] };
    assert.deepEqual(problemsOf({ groups, tagOwners: {} }), [
      'groups["group:a"][0]: groups["group:a"]: "group:b": group members cannot be recursive',
      'groups["group:a"][1]: username must contain @, got: "tag:web"',
      'groups["group:a"][2]: username must contain @, got: "ada"',
      'groups["group:a"][3]: username must contain @, got: "user:*@example.com"',
      'groups.team: group must start with \'group:\', got: "team"',
    ]);
    assert.equal(
      hintsOf({ groups: { 'group:a': ['ada'] }, tagOwners: {} })[0],
      'did you mean "ada@"?',
    );
  });

  test('are lists', () => {
    assert.deepEqual(problemsOf({ groups: { 'group:a': 'ada@example.com' }, tagOwners: {} }), [
      'groups["group:a"]: group value must be an array of users: group "group:a"',
    ]);
  });

  test('of an identity provider are refused with a reason', () => {
    assert.match(
      problemsOf({ groups: { 'group:a@example.com': [] }, tagOwners: {} }).join('\n'),
      /identity provider/,
    );
  });
});

describe('hosts', () => {
  test('are addresses or prefixes without host bits', () => {
    const { hosts } = policyOf({ hosts: { a: '192.0.2.7', b: 'FD00::1/64', c: ' 10.1.2.3/8 ' } });
    assert.deepEqual(
      [...hosts].map(([name, prefix]) => [name, formatPrefix(prefix)]),
      [
        ['a', '192.0.2.7/32'],
        ['b', 'fd00::/64'],
        ['c', '10.0.0.0/8'],
      ],
    );
  });

  test('with another value or a name that means something else are refused', () => {
    assert.deepEqual(
      problemsOf({ hosts: { derp: '10.0', 'a@b': '10.0.0.1', '10.0.0.2': '10.0.0.1', x: 1 } }),
      [
        'hosts.derp: hostname contains invalid IP address: hostname "derp" address "10.0"',
        'hosts["a@b"]: invalid hostname: "a@b"',
        'hosts["10.0.0.2"]: invalid hostname: "10.0.0.2"',
        'hosts.x: expected a string, not a number',
      ],
    );
  });
});

describe('tags', () => {
  test('are owned by users, groups, tags and autogroups; by the admins if nobody is named', () => {
    const { tagOwners } = policyOf({
      tagOwners: {
        'tag:a': [
          'ada@example.com',
          'group:ops',
          'tag:b',
          'autogroup:member',
          'user:*@example.com',
        ],
        'tag:b': [],
      },
    });
    assert.deepEqual(
      tagOwners.get('tag:a')?.map(({ value }) => value.kind),
      ['user', 'group', 'tag', 'autogroup', 'domain'],
    );
    assert.deepEqual(
      tagOwners.get('tag:b')?.map(({ value }) => value),
      [{ kind: 'autogroup', name: 'admin' }],
    );
  });

  test('may own each other in a circle', () => {
    assert.deepEqual(problemsOf({ tagOwners: { 'tag:a': ['tag:b'], 'tag:b': ['tag:a'] } }), []);
  });

  test('have names that clients accept', () => {
    const tagOwners = { 'tag:1a': [], 'tag:a+b': [], 'tag:': [], web: [], 'tag:сервер': [] };
    assert.deepEqual(problemsOf({ tagOwners }), [
      'tagOwners["tag:1a"]: tagOwners["tag:1a"]: tag names must start with a letter, after \'tag:\'',
      'tagOwners["tag:a+b"]: tagOwners["tag:a+b"]: tag names can only contain numbers, letters, or dashes',
      'tagOwners["tag:"]: tagOwners["tag:"]: tag names must not be empty',
      'tagOwners.web: tagOwners["web"]: tag must start with \'tag:\', got: "web"',
      'tagOwners["tag:сервер"]: tagOwners["tag:сервер"]: tag names must start with a letter, after \'tag:\'',
    ]);
  });

  test('have others in policies of headscale, which are taken with a warning', () => {
    const tagOwners = { 'tag:my_server': [], 'tag:v1.2': [], 'tag:plain-1': [] };
    const { tagOwners: read, warnings } = policyOf({ tagOwners, groups: {} });
    assert.deepEqual([...read.keys()], Object.keys(tagOwners));
    assert.deepEqual(
      warnings.map(({ place, message }) => [place.path, message]),
      ['tag:my_server', 'tag:v1.2'].map((tag) => [
        `tagOwners["${tag}"]`,
        `tagOwners["${tag}"]: clients cannot ask for it: they take only numbers, letters and dashes`,
      ]),
    );
  });

  test('are lower case where keys and administrators give them: others are taken with a warning', () => {
    const { warnings } = policyOf({ tagOwners: { 'tag:Web': [], 'tag:My_DB': [], 'tag:web': [] } });
    assert.deepEqual(
      warnings.map(({ message, hint }) => [message.replace(/:[^:]*$/, ''), hint]),
      [
        [
          'tagOwners["tag:Web"]: pre-auth keys and `malla nodes tag` cannot give it',
          'write "tag:web"',
        ],
        [
          'tagOwners["tag:My_DB"]: clients cannot ask for it',
          'give it by a pre-auth key or by `malla nodes tag`',
        ],
        [
          'tagOwners["tag:My_DB"]: pre-auth keys and `malla nodes tag` cannot give it',
          'write "tag:my_db"',
        ],
      ],
    );
  });

  test('are not owned by everybody, an address, or what is not defined', () => {
    assert.deepEqual(
      problemsOf({ tagOwners: { 'tag:a': ['*', 'nas', 'group:no', 'tag:no', 'autogroup:self'] } }),
      [
        'tagOwners["tag:a"][0]: invalid owner: "*"',
        'tagOwners["tag:a"][1]: invalid owner: "nas"',
        'tagOwners["tag:a"][2]: group not defined in policy: "group:no"',
        'tagOwners["tag:a"][3]: tag not found: "tag:no"',
        'tagOwners["tag:a"][4]: invalid owner: "autogroup:self"',
      ],
    );
  });
});

describe('autoApprovers', () => {
  test('name who has a route approved, and who may be an exit node', () => {
    const { autoApprovers } = policyOf({
      autoApprovers: {
        routes: { '10.0.0.0/8': ['tag:web', 'group:ops'], '::/0': [] },
        exitNode: ['ada@example.com'],
      },
    });
    assert.deepEqual(
      autoApprovers.routes.map(({ prefix, approvers }) => [formatPrefix(prefix), approvers.length]),
      [
        ['10.0.0.0/8', 2],
        ['::/0', 0],
      ],
    );
    assert.equal(autoApprovers.exitNode.length, 1);
  });

  test('with a route that is none or an approver that is not defined are refused', () => {
    const routes = { '10.0.0.1': [], '10.0.0.0/8': ['tag:no', 'nas'] };
    assert.deepEqual(
      problemsOf({
        autoApprovers: { routes, exitNode: 'tag:web', services: { 'svc:a': ['tag:web'] } },
      }),
      [
        'autoApprovers.routes["10.0.0.1"]: invalid prefix: "10.0.0.1"',
        'autoApprovers.routes["10.0.0.0/8"][0]: tag not found: "tag:no"',
        'autoApprovers.routes["10.0.0.0/8"][1]: invalid owner: "nas"',
        'autoApprovers.exitNode: expected a list, not a string',
        'autoApprovers.services: "services" is not supported: this server has no services',
      ],
    );
  });
});

describe('ipsets', () => {
  test('are made by steps in order; a step without a verb adds', () => {
    const { ipsets } = policyOf({
      ipsets: {
        'ipset:all': ['add ipset:prod', 'remove host:nas', 'nas', 'add 2001:db8::1'],
        'ipset:prod': ['192.0.2.0/30', 'add lab', 'remove 192.0.2.0/25'],
      },
    });
    assert.deepEqual(ipsets.get('ipset:prod')?.map(formatPrefix), ['192.0.2.128/25']);
    assert.deepEqual(ipsets.get('ipset:all')?.map(formatPrefix), [
      '192.0.2.7/32',
      '192.0.2.128/25',
      '2001:db8::1/128',
    ]);
  });

  test('can hold the internet without a part of it', () => {
    const { ipsets } = policyOf({
      ipsets: { 'ipset:web': ['autogroup:internet', 'remove 8.0.0.0/8'] },
    });
    const texts = ipsets.get('ipset:web')?.map(formatPrefix) ?? [];
    assert.ok(texts.includes('0.0.0.0/5'), texts.join(' '));
    assert.ok(!texts.includes('10.0.0.0/8'));
  });

  test('hold no users, groups or tags, and not themselves', () => {
    const ipsets = {
      'ipset:a': ['add tag:web', 'add ipset:no', 'ipset:b', 'ipset:a'],
      'ipset:b': ['ipset:c'],
      'ipset:c': ['ipset:b'],
      b: [],
    };
    assert.deepEqual(problemsOf({ ipsets, grants: undefined }), [
      'ipsets["ipset:a"][0]: invalid ipset target: "tag:web"',
      'ipsets["ipset:a"][1]: ipset not found: "ipset:no"',
      'ipsets["ipset:a"][3]: "ipset:a" is made of itself: ipsets cannot be circular',
      'ipsets["ipset:c"][0]: "ipset:b" is made of itself: ipsets cannot be circular',
      'ipsets.b: ipset must start with \'ipset:\', got: "b"',
    ]);
  });

  test('cannot multiply beyond a bound', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `10.${i >> 7}.${(i & 127) << 1}.1`);
    const again = Array.from({ length: 60 }, () => 'ipset:a');
    assert.deepEqual(problemsOf({ ipsets: { 'ipset:a': many, 'ipset:b': again } }), [
      'ipsets["ipset:b"][9]: ipsets stand for more than 10000 prefixes',
    ]);
    const holes = many.map((_, i) => `remove 2001:db8:${i.toString(16)}::1`);
    assert.deepEqual(problemsOf({ ipsets: { 'ipset:a': ['::/0', ...holes] } }), [
      'ipsets["ipset:a"][1000]: "ipset:a" is left with more than 10000 prefixes',
    ]);
  });
});
