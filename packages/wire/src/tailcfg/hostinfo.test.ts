import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeHostinfo, MAX_HOSTINFO_CHARS, MAX_ROUTES, preferredDerp } from './hostinfo.ts';

const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmqSM5Xf0Y1sY2tQ0n7bN3vHk4mUu1pP6oG8Jv2dB9q';

function many<T>(item: T): readonly T[] {
  return Array<T>(10_000).fill(item);
}

describe('hostinfo', () => {
  test('of an official client is read whole', () => {
    // What clients 1.80 to 1.102 are known to say, on some platform or other.
    const sent = {
      IPNVersion: '1.102.3-t0123456789-g0123456789',
      FrontendLogID: 'ab'.repeat(32),
      BackendLogID: 'cd'.repeat(32),
      OS: 'linux',
      OSVersion: '6.1.0-17-amd64',
      Container: false,
      Env: 'kn',
      Distro: 'debian',
      DistroVersion: '12.4',
      DistroCodeName: 'bookworm',
      App: 'golinks',
      Desktop: true,
      Package: 'choco',
      DeviceModel: 'Pixel 3a',
      PushDeviceToken: 'ef'.repeat(32),
      Hostname: 'laptop',
      ShieldsUp: true,
      ShareeNode: false,
      NoLogsNoSupport: true,
      RemoteConfig: true,
      WireIngress: true,
      IngressEnabled: true,
      AllowsUpdate: true,
      Machine: 'x86_64',
      GoArch: 'amd64',
      GoArchVar: 'v1',
      GoVersion: 'go1.26.6',
      RoutableIPs: ['10.0.0.0/8', '::/0'],
      RequestTags: ['tag:web'],
      WoLMACs: ['00:00:5e:00:53:01'],
      Services: [
        { Proto: 'peerapi4', Port: 41_234 },
        { Proto: 'peerapi-dns-proxy', Port: 1, Description: 'x' },
      ],
      NetInfo: {
        MappingVariesByDestIP: false,
        WorkingIPv6: true,
        OSHasIPv6: true,
        WorkingUDP: true,
        WorkingICMPv4: false,
        HavePortMap: true,
        UPnP: false,
        PMP: true,
        PCP: false,
        PreferredDERP: 3,
        LinkType: 'wifi',
        DERPLatency: { '3-v4': 0.0123, '901-v6': 0.2 },
        FirewallMode: 'nft-default',
      },
      sshHostKeys: [SSH_KEY],
      Cloud: 'aws',
      Userspace: false,
      UserspaceRouter: true,
      AppConnector: true,
      ServicesHash: 'deadbeef',
      PeerRelay: true,
      ExitNodeID: '7',
      Location: {
        Country: 'Portugal',
        CountryCode: 'PT',
        City: 'Lisbon',
        CityCode: 'LIS',
        Latitude: 38.7,
        Longitude: -9.1,
        Priority: 100,
      },
      TPM: {
        Manufacturer: 'IBM',
        Vendor: 'SW   TPM',
        Model: 1,
        FirmwareVersion: 2_317_225_216,
        SpecRevision: 164,
        FamilyIndicator: '2.0',
      },
      StateEncrypted: true,
    };
    assert.deepEqual(decodeHostinfo(sent), sent);
  });

  test('keeps nothing that no client is known to say, at any depth', () => {
    const junk = { X: [{}, {}], Y: { a: null }, Z: 'x'.repeat(1_000) };
    const said = {
      OS: 'linux',
      NetInfo: { PreferredDERP: 3 },
      Location: { City: 'Lisbon' },
      TPM: {},
    };
    assert.deepEqual(
      decodeHostinfo({
        ...junk,
        ...said,
        NetInfo: { ...said.NetInfo, ...junk, DERPLatency: { ...junk, '1-v4': {}, 'x-v4': 1 } },
        Location: { ...said.Location, ...junk },
        TPM: junk,
        Services: [{ Proto: 'tcp', Port: 1, ...junk }],
      }),
      {
        ...said,
        NetInfo: { ...said.NetInfo, DERPLatency: {} },
        Services: [{ Proto: 'tcp', Port: 1 }],
      },
    );
  });

  test('has lists and texts of bounded length', () => {
    const decoded = decodeHostinfo({
      OSVersion: 'x'.repeat(10_000),
      RequestTags: many('tag:a'),
      WoLMACs: many('00:00:5e:00:53:01'),
      Services: many({ Proto: 'tcp', Port: 80 }),
      sshHostKeys: many(SSH_KEY),
      NetInfo: {
        DERPLatency: Object.fromEntries(many(0).map((_, region) => [`${region}-v4`, region])),
      },
    });
    assert.ok(decoded);
    assert.equal(String(decoded['OSVersion']).length, 255);
    assert.equal(decoded.RequestTags?.length, 256);
    assert.equal((decoded['WoLMACs'] as string[]).length, 32);
    assert.equal(decoded.Services?.length, 256);
    assert.equal(decoded.sshHostKeys?.length, 16);
    assert.equal(Object.keys(decoded.NetInfo?.['DERPLatency'] ?? {}).length, 512);
  });

  test('is none where there is no object, or one that is too large', () => {
    for (const value of [undefined, null, 1, 'x', []]) {
      assert.equal(decodeHostinfo(value), undefined);
    }
    assert.deepEqual(decodeHostinfo({}), {});
    const sshHostKeys = Array.from({ length: 16 }, () => `ssh-rsa ${'A'.repeat(4_088)}`);
    assert.ok(JSON.stringify({ sshHostKeys }).length > MAX_HOSTINFO_CHARS);
    assert.equal(decodeHostinfo({ sshHostKeys }), undefined);
    assert.ok(decodeHostinfo({ sshHostKeys: sshHostKeys.slice(1) }));
  });

  test('loses fields of the wrong type and keeps the rest', () => {
    const odd = { OS: 1, Hostname: null, NetInfo: [], ShareeNode: 'yes', App: 'a' };
    assert.deepEqual(decodeHostinfo(odd), { App: 'a' });
    assert.deepEqual(decodeHostinfo({ RoutableIPs: 'x', Services: {}, sshHostKeys: 1 }), {
      RoutableIPs: [],
      Services: [],
      sshHostKeys: [],
    });
  });

  test('has a hostname without control characters and of bounded length', () => {
    assert.equal(decodeHostinfo({ Hostname: 'a\u0000\u001b[2Jb\n' })?.Hostname, 'a[2Jb');
    assert.equal(decodeHostinfo({ Hostname: 'x'.repeat(5000) })?.Hostname?.length, 255);
    assert.equal(decodeHostinfo({ Hostname: '\udc00' })?.Hostname, '\ufffd');
  });

  test('has only routes that are canonical prefixes, each once', () => {
    const RoutableIPs = ['10.0.0.0/8', '10.0.0.1/8', '2001:DB8::/32', '10.0.0.0/8', 'x', 1, '::1'];
    assert.deepEqual(decodeHostinfo({ RoutableIPs })?.RoutableIPs, ['10.0.0.0/8', '2001:db8::/32']);
    const routes = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    assert.equal(decodeHostinfo({ RoutableIPs: routes })?.RoutableIPs?.length, MAX_ROUTES);
  });

  test('has only services with a port of 16 bits and a plain protocol name', () => {
    const Services = [
      { Proto: 'tcp', Port: 65_536 },
      { Proto: 'tcp', Port: -1 },
      { Proto: 'tcp', Port: '80' },
      { Proto: 'tc"p', Port: 80 },
      { Proto: 6, Port: 80 },
      'tcp',
      { Proto: 'udp', Port: 53, Description: 'dns\u0000', Extra: {} },
    ];
    assert.deepEqual(decodeHostinfo({ Services })?.Services, [
      { Proto: 'udp', Port: 53, Description: 'dns' },
    ]);
  });

  test('has only SSH host keys that are one line: peers write them into a file', () => {
    const sshHostKeys = [SSH_KEY, `${SSH_KEY}\nother ${SSH_KEY}`, `${SSH_KEY} comment`, '', 'x'];
    assert.deepEqual(decodeHostinfo({ sshHostKeys })?.sshHostKeys, [SSH_KEY]);
  });

  test('names a home region of 16 bits or none', () => {
    assert.equal(preferredDerp({ NetInfo: { PreferredDERP: 901 } }), 901);
    for (const PreferredDERP of [-1, 1.5, 65_536, 2 ** 31, 'x']) {
      assert.equal(preferredDerp({ NetInfo: { PreferredDERP } as never }), 0);
    }
    assert.equal(preferredDerp({}), 0);
  });

  test('of any JSON is read without an exception, and what comes out reads the same', () => {
    const names =
      'OS Hostname RoutableIPs RequestTags Services NetInfo sshHostKeys ShareeNode WoLMACs Location TPM';
    const inner = 'DERPLatency 1-v4 PreferredDERP City Latitude Model Vendor';
    const name = fc.constantFrom(
      ...names.split(' '),
      ...inner.split(' '),
      '__proto__',
      'constructor',
      'Other',
    );
    const unit = fc.nat(0xffff).map((code) => String.fromCharCode(code));
    const plain = fc.oneof(fc.jsonValue(), fc.string({ unit }), fc.array(fc.string({ unit })));
    const value = fc.oneof(plain, fc.dictionary(name, fc.oneof(plain, fc.dictionary(name, plain))));
    fc.assert(
      fc.property(fc.dictionary(name, value), (fields) => {
        const sent: unknown = JSON.parse(JSON.stringify(fields));
        const decoded = decodeHostinfo(sent);
        assert.ok(decoded);
        assert.deepEqual(decodeHostinfo(JSON.parse(JSON.stringify(decoded))), decoded);
      }),
    );
  });
});
