import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hintsOf, policyOf, problemsOf } from '../testing/policies.ts';

const grant = (fields: object): object => ({
  grants: [{ src: ['group:ops'], dst: ['tag:web'], ...fields }],
});

describe('a grant', () => {
  test('admits protocols and ports', () => {
    const ip = ['*', '22', '80-443', 'tcp:443', 'UDP:*', 'icmp:*', '*:53', '58:*'];
    const { rules } = policyOf(grant({ ip }));
    assert.deepEqual(
      rules?.[0]?.destinations[0]?.admissions.map(
        ({ protocols, ports }) => `${protocols.join()}:${ports[0]?.first}-${ports[0]?.last}`,
      ),
      [
        ':0-65535',
        ':22-22',
        ':80-443',
        '6:443-443',
        '17:0-65535',
        '1:0-65535',
        ':53-53',
        '58:0-65535',
      ],
    );
  });

  test('admits several ports by one item, as policies of headscale have them', () => {
    const { rules } = policyOf(grant({ ip: ['tcp:80, 443,8000-8080', '53,5353'] }));
    assert.deepEqual(
      rules?.[0]?.destinations[0]?.admissions.map(({ protocols, ports }) => [
        protocols,
        ports.map(({ first, last }) => `${first}-${last}`),
      ]),
      [
        [[6], ['80-80', '443-443', '8000-8080']],
        [[], ['53-53', '5353-5353']],
      ],
    );
  });

  test('admits nothing that is no port or no protocol', () => {
    const ip = ['icmp', 'tcp:', 'tcp:80,x', 'xyz:80', 'icmp:8', '', ':80', '0', 80];
    assert.deepEqual(
      problemsOf(grant({ ip })).map((problem) => problem.replace(/^grants\[0\]\.ip\[\d\]: /, '')),
      [
        'port range "icmp": invalid first integer',
        'invalid port list: ""',
        'port range "x": invalid first integer',
        'proto name "xyz" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)',
        'protocol does not support specific ports: "icmp", only "*" is allowed',
        'an item of ip cannot be empty',
        'empty protocol',
        'port range "0": first port must be >0, or use \'*\' for wildcard',
        'expected a string, not a number',
      ],
    );
    assert.equal(hintsOf(grant({ ip }))[0], 'write "icmp:*"');
  });

  test('gives capabilities with any values', () => {
    const app = {
      'example.com/cap/x': [{ a: [1, { b: null }] }, 'text'],
      'tailscale.com/cap/drive': [],
      'tailscale.com/cap/aperture': [],
      'tailscale.com/cap/proxy-to-grafana': [],
      'example.com/cap/none': null,
    };
    const { rules } = policyOf(grant({ app }));
    assert.deepEqual(rules?.[0]?.app, { ...app, 'example.com/cap/none': [] });
    assert.deepEqual(rules[0].destinations[0]?.admissions, []);
  });

  test('gives capabilities whose names are a domain and a path, and not those of the server', () => {
    const form = 'capability name must have the form {domain}/{path}';
    const own = 'capability name must not be in the tailscale.com domain';
    const names = {
      'https://example.com/cap/x': form,
      'example.com': form,
      '/x': form,
      'example.com/': form,
      'tailscale.com/cap/funnel': own,
      'tailscale.com/cap/drive-sharer': own,
      'tailscale.com/app-connectors': own,
    };
    for (const [name, message] of Object.entries(names)) {
      assert.deepEqual(problemsOf(grant({ app: { [name]: [] } })), [
        `grants[0].app["${name}"]: ${message}`,
      ]);
    }
    assert.deepEqual(problemsOf(grant({ app: { 'example.com/x': {} } })), [
      'grants[0].app["example.com/x"]: expected a list, not an object',
    ]);
  });

  test('gives something', () => {
    const message = 'grants[0]: ip and app can not both be empty';
    assert.deepEqual(problemsOf(grant({})), [message]);
    assert.deepEqual(problemsOf(grant({ ip: [], app: {} })), [message]);
  });

  test('may have no source or no destination', () => {
    assert.deepEqual(problemsOf(grant({ ip: ['*'], src: [] })), []);
    assert.deepEqual(problemsOf(grant({ ip: ['*'], dst: [] })), []);
  });

  test('has no ports in its destinations', () => {
    assert.deepEqual(problemsOf(grant({ ip: ['*'], dst: ['tag:web:22'] })), [
      'grants[0].dst[0]: dst="tag:web:22": tag not found: "tag:web:22"',
    ]);
  });

  test('names the whole internet by its name', () => {
    const say = 'to allow all IP addresses, use "*" or "autogroup:internet"';
    assert.deepEqual(problemsOf(grant({ ip: ['*'], dst: ['0.0.0.0/0', '::/0'] })), [
      `grants[0].dst[0]: dst "0.0.0.0/0": ${say}`,
      `grants[0].dst[1]: dst "::/0": ${say}`,
    ]);
    assert.deepEqual(problemsOf(grant({ app: { 'a.b/c': [] }, dst: ['autogroup:internet'] })), [
      'grants[0].dst[0]: cannot use app grants with autogroup:internet',
    ]);
  });

  test('leads through routers that are named by their tags', () => {
    const { rules } = policyOf(grant({ ip: ['*'], via: ['tag:db'] }));
    assert.deepEqual(
      rules?.[0]?.via.map(({ value }) => value),
      ['tag:db'],
    );
    assert.deepEqual(problemsOf(grant({ ip: ['*'], via: ['tag:no', 'group:ops', '*'] })), [
      'grants[0].via[0]: tag "tag:no" not found',
      'grants[0].via[1]: via can only be a tag',
      'grants[0].via[2]: via can only be a tag',
    ]);
  });

  test('does not let everybody reach their own devices, as that has devices of nobody', () => {
    assert.deepEqual(problemsOf(grant({ ip: ['*'], src: ['*'], dst: ['autogroup:self'] })), [
      'grants[0]: autogroup:self can only be used with users, groups, or supported autogroups',
    ]);
    assert.deepEqual(
      problemsOf(grant({ ip: ['*'], src: ['autogroup:member'], dst: ['autogroup:self'] })),
      [],
    );
  });

  test('leads through no routers to the devices of its source', () => {
    const own = { src: ['autogroup:member'], dst: ['192.0.2.0/24', 'autogroup:self'] };
    for (const gift of [{ ip: ['*'] }, { app: { 'example.com/x': [] } }]) {
      assert.deepEqual(problemsOf(grant({ ...own, ...gift, via: ['tag:db'] })), [
        'grants[0].dst[1]: autogroup:self cannot be used with via: no router is on the way to a device',
      ]);
      assert.deepEqual(problemsOf(grant({ ...own, ...gift, via: [] })), []);
    }
  });

  test('has no action, no protocol and no notes', () => {
    const fields = { ip: ['*'], action: 'accept', proto: 'tcp', '#note': '' };
    assert.deepEqual(problemsOf(grant(fields)), [
      'grants[0].action: unknown field: "action"',
      'grants[0].proto: unknown field: "proto"',
      'grants[0]["#note"]: unknown field: "#note"',
    ]);
  });
});
