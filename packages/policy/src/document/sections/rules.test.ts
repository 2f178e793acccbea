import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix } from '@malla/ip/prefix';
import type { Alias } from '../../policy.ts';
import { hintsOf, policyOf, problemsOf } from '../testing/policies.ts';

const accept = (rule: object): object => ({ acls: [{ action: 'accept', ...rule }] });

describe('an access rule', () => {
  test('names sources of every kind', () => {
    const src = [
      '*',
      'ada@example.com',
      'local@',
      'user:*@example.com',
      'group:ops',
      'tag:web',
      'autogroup:member',
      'autogroup:members',
      'autogroup:danger-all',
      'autogroup:it-admin',
      'nas',
      'ipset:prod',
      '100.64.0.1',
      '10.1.2.3/8',
      'fd7a:115c:a1e0::/48',
    ];
    const { rules } = policyOf(accept({ src, dst: [] }));
    assert.deepEqual(
      rules?.[0]?.sources.map(({ value }) => written(value)),
      [
        'any',
        'user ada@example.com',
        'user local@',
        'domain example.com',
        'group group:ops',
        'tag tag:web',
        'autogroup member',
        'autogroup member',
        'autogroup danger-all',
        'autogroup it-admin',
        'host nas',
        'ipset ipset:prod',
        'prefix 100.64.0.1/32',
        'prefix 10.0.0.0/8',
        'prefix fd7a:115c:a1e0::/48',
      ],
    );
  });

  test('for those with a role is warned of, as nobody has one, and so is all else but an owner of tags', () => {
    const roles = ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'];
    for (const role of roles.map((name) => `autogroup:${name}`)) {
      const { warnings } = policyOf({
        tagOwners: { 'tag:web': [role], 'tag:db': [] },
        acls: [{ action: 'accept', src: [role, 'autogroup:member'], dst: [`${role}:*`] }],
        grants: [{ src: ['autogroup:tagged'], dst: [role], ip: ['*'] }],
        ssh: [{ action: 'accept', src: [role], dst: ['tag:web'], users: ['root'] }],
        nodeAttrs: [{ target: [role], attr: ['nextdns:abc'] }],
        autoApprovers: { routes: { '10.0.0.0/8': [role] }, exitNode: [role] },
      });
      assert.deepEqual(
        warnings.map(({ place }) => place.path),
        [
          'acls[0].src[0]',
          'acls[0].dst[0]',
          'grants[0].dst[0]',
          'ssh[0].src[0]',
          'nodeAttrs[0].target[0]',
          'autoApprovers.routes["10.0.0.0/8"][0]',
          'autoApprovers.exitNode[0]',
        ],
      );
      const told = new Set(warnings.map(({ message, hint }) => `${message} (${hint})`));
      assert.deepEqual(
        [...told],
        [`"${role}" means nobody: no user has a role here (name users or a group)`],
      );
    }
  });

  test('warns of a source whose devices are shared by others, as there are none', () => {
    const src = ['autogroup:shared', 'ada@example.com'];
    const { rules, warnings } = policyOf({
      ...accept({ src, dst: ['*:22'] }),
      grants: [{ src, dst: ['*'], ip: ['*'] }],
      ssh: [{ action: 'accept', src: src.slice(0, 1), dst: ['tag:web'], users: ['root'] }],
    });
    assert.equal(rules?.length, 2);
    const what =
      '"autogroup:shared" means nobody: nodes are not shared between tailnets here (take it out)';
    assert.deepEqual(
      warnings.map(({ place, message, hint }) => `${place.path}: ${message} (${hint})`),
      [`acls[0].src[0]: ${what}`, `grants[0].src[0]: ${what}`, `ssh[0].src[0]: ${what}`],
    );
    for (const wrong of [
      accept({ src: ['*'], dst: ['autogroup:shared:22'] }),
      { nodeAttrs: [{ target: ['autogroup:shared'], attr: ['x'] }] },
      { tagOwners: { 'tag:a': ['autogroup:shared'] } },
    ]) {
      assert.equal(problemsOf(wrong).length, 1, JSON.stringify(wrong));
    }
  });

  test('names destinations with ports', () => {
    const { rules } = policyOf(
      accept({
        src: ['*'],
        dst: [
          '*:*',
          'tag:web:443',
          'nas:80,443',
          '192.0.2.0/24:1000-2000',
          '[fd7a::1]:22',
          'fd7a::1:22',
          '[fd7a::]/64:*',
          'autogroup:internet:*',
          'user:*@example.com:1',
        ],
      }),
    );
    const { destinations = [] } = rules?.[0] ?? {};
    assert.deepEqual(
      destinations.map(({ alias, admissions }) => {
        const ports = admissions[0]?.ports.map(({ first, last }) => `${first}-${last}`).join();
        return `${written(alias)}:${ports}`;
      }),
      [
        'any:0-65535',
        'tag tag:web:443-443',
        'host nas:80-80,443-443',
        'prefix 192.0.2.0/24:1000-2000',
        'prefix fd7a::1/128:22-22',
        'prefix fd7a::1/128:22-22',
        'prefix fd7a::/64:0-65535',
        'autogroup internet:0-65535',
        'domain example.com:1-1',
      ],
    );
  });

  test('admits a protocol by name or number, or the usual ones if it names none', () => {
    assert.deepEqual(protocolsOf(''), []);
    assert.deepEqual(protocolsOf('tcp'), [6]);
    assert.deepEqual(protocolsOf('ICMP'), [1]);
    assert.deepEqual(protocolsOf('ip-in-ip'), [4]);
    assert.deepEqual(protocolsOf('253'), [253]);
  });

  test('has a protocol that is one, and ports only if it has ports', () => {
    const path = 'acls[0].proto: ';
    assert.match(
      protocolProblems('tcpp').join('\n'),
      /^acls\[0\]\.proto: proto name "tcpp" not known/,
    );
    assert.match(
      protocolProblems('*').join('\n'),
      /proto name "\*" not known; use protocol number 0-255/,
    );
    assert.match(protocolProblems('256').join('\n'), /proto name "256" not known/);
    assert.deepEqual(protocolProblems('06'), [
      `${path}leading 0 not permitted in protocol number: "06"`,
    ]);
    assert.deepEqual(protocolProblems(6), [`${path}expected a string, not a number`]);
    assert.deepEqual(protocolProblems('icmp', '22'), [
      'acls[0].dst[0]: protocol does not support specific ports: "icmp", only "*" is allowed',
    ]);
    assert.deepEqual(protocolProblems('132', '22'), []);
  });

  test('names ports that are some', () => {
    const ports = {
      ssh: 'port range "ssh": invalid first integer',
      '': 'invalid port list: ""',
      '80,': 'invalid port list: "80,"',
      '0': 'port range "0": first port must be >0, or use \'*\' for wildcard',
      '0-65535': 'port range "0-65535": first port must be >0, or use \'*\' for wildcard',
      '65536': 'port range "65536": invalid first integer',
      '-1': 'port range "-1": invalid first integer',
      '1-': 'port range "1-": invalid last integer',
      '1-2-3': 'port range "1-2-3": too many dashes(-)',
      '22,x': 'port range "x": invalid first integer',
      '443-80': 'port range "443-80": first port must be >= last port',
    };
    for (const [text, message] of Object.entries(ports)) {
      const dst = `nas:${text}`;
      assert.deepEqual(problemsOf(accept({ src: ['*'], dst: [dst] })), [
        `acls[0].dst[0]: dst="${dst}": ${message}`,
      ]);
    }
  });

  test('has a destination with a colon, with brackets only around IPv6 addresses', () => {
    const dst = ['nas', '[10.0.0.1]:22', '[fd7a::1', ':22', 'a,nas:22', 'autogroup:self', 'x:y:22'];
    const problems = problemsOf(accept({ src: ['ada@example.com'], dst }));
    const places = problems.map((problem) => problem.replace(/^acls\[0\]\.dst\[\d\]: /, ''));
    assert.deepEqual(places, [
      'hostport must contain a colon (":")',
      'square brackets are only valid around IPv6 addresses: "[10.0.0.1]:22"',
      'square brackets are only valid around IPv6 addresses: "[fd7a::1"',
      'there is nothing before the colon',
      'host cannot contain a comma (",")',
      'dst="autogroup:self": port range "self": invalid first integer',
      'invalid alias format: "x:y"',
    ]);
    const hints = hintsOf(accept({ src: ['ada@example.com'], dst }));
    assert.equal(hints[0], 'for all ports write "nas:*"');
    assert.equal(hints[5], 'for all ports write "autogroup:self:*"');
  });

  test('names only what is defined, and users who may come one day', () => {
    const src = ['tag:wep', 'group:no', 'mas', 'ipset:no', 'autogroup:no', 'who@example.com'];
    assert.deepEqual(problemsOf(accept({ src, dst: ['tag:no:22'] })), [
      'acls[0].src[0]: src=tag not found: "tag:wep"',
      'acls[0].src[1]: src=group not defined in policy: "group:no"',
      'acls[0].src[2]: src=host not defined in policy: "mas": invalid address',
      'acls[0].src[3]: src=ipset not found: "ipset:no"',
      'acls[0].src[4]: invalid autogroup: "autogroup:no"',
      'acls[0].dst[0]: dst="tag:no": tag not found: "tag:no"',
    ]);
    const [tag, group, host] = hintsOf(accept({ src, dst: [] }));
    assert.equal(tag, 'did you mean "tag:web"?');
    assert.equal(group, 'define it in "groups"');
    assert.equal(host, 'did you mean "nas"?');
  });

  test('has no source that is a destination only, and the reverse', () => {
    const src = ['autogroup:self', 'autogroup:internet'];
    assert.deepEqual(problemsOf(accept({ src, dst: ['autogroup:danger-all:*'] })), [
      'acls[0].src[0]: "autogroup:self" not valid on the src side of a rule',
      'acls[0].src[1]: "autogroup:internet" not valid on the src side of a rule',
      'acls[0].dst[0]: cannot use autogroup:danger-all as a dst',
    ]);
  });

  test('has what only the hosted service has refused with a reason', () => {
    const src = ['autogroup:nonroot', 'svc:db', 'group:a@example.com', 'user:a@b'];
    for (const problem of problemsOf(accept({ src, dst: [] })).slice(0, -1)) {
      assert.match(problem, /is not supported: |are not supported/);
    }
    assert.equal(problemsOf(accept({ src, dst: [] })).length, src.length);
  });

  test('lets nobody but users reach their own devices', () => {
    const message =
      'acls[0]: autogroup:self can only be used with users, groups, or supported autogroups';
    const dst = ['autogroup:self:*'];
    for (const name of ['tag:web', 'autogroup:tagged', 'nas', '10.0.0.1', 'autogroup:danger-all']) {
      assert.deepEqual(problemsOf(accept({ src: ['group:ops', name], dst })), [message]);
    }
    for (const name of [
      '*',
      'ada@example.com',
      'group:ops',
      'autogroup:member',
      'autogroup:admin',
    ]) {
      assert.deepEqual(problemsOf(accept({ src: [name], dst })), []);
    }
  });

  test('only accepts', () => {
    assert.deepEqual(
      problemsOf({
        acls: [
          { action: 'deny', src: [], dst: [] },
          { src: [], dst: [] },
        ],
      }),
      ['acls[0].action: action="deny" is not supported', 'acls[1]: action="" is not supported'],
    );
  });

  test('may have the names that its fields had first', () => {
    const { rules } = policyOf({ acls: [{ action: 'accept', users: ['*'], ports: ['*:22'] }] });
    assert.equal(rules?.[0]?.sources.length, 1);
    assert.equal(rules[0].destinations.length, 1);
  });

  test('may hold notes in fields that begin with #', () => {
    assert.deepEqual(
      problemsOf(accept({ src: ['*'], dst: ['*:*'], '#ha-meta': { name: 'x' } })),
      [],
    );
    assert.deepEqual(problemsOf({ '#note': 1 }), ['["#note"]: unknown field: "#note"']);
  });

  test('asks for postures that are defined', () => {
    const srcPosture = ['posture:mac', 'posture:mak', 'mac'];
    assert.deepEqual(problemsOf(accept({ src: ['*'], dst: ['*:*'], srcPosture })), [
      'acls[0].srcPosture[1]: posture not found: "posture:mak"',
      'acls[0].srcPosture[2]: posture not found: "mac"',
    ]);
  });
});

function protocolsOf(proto: string): readonly number[] | undefined {
  const { rules } = policyOf(accept({ src: ['*'], dst: ['*:*'], proto }));
  return rules?.[0]?.destinations[0]?.admissions[0]?.protocols;
}

function protocolProblems(proto: unknown, port = '*'): readonly string[] {
  return problemsOf(accept({ src: ['*'], dst: [`*:${port}`], proto }));
}

function written(alias: Alias): string {
  switch (alias.kind) {
    case 'any':
      return 'any';
    case 'domain':
      return `domain ${alias.domain}`;
    case 'prefix':
      return `prefix ${formatPrefix(alias.prefix)}`;
    case 'user':
    case 'group':
    case 'tag':
    case 'autogroup':
    case 'host':
    case 'ipset':
      return `${alias.kind} ${alias.name}`;
  }
}
