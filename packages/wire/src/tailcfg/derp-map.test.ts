import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import {
  type DecodedDerpMap,
  decodeDerpMap,
  type DerpMapLayer,
  encodeDerpMap,
  MAX_REGIONS,
  mergeDerpMaps,
} from './derp-map.ts';

describe('derp map', () => {
  test('a map from JSON keeps the fields of tailcfg', () => {
    const json = {
      HomeParams: { RegionScore: { 1: 0.5 } },
      Regions: {
        '1': {
          RegionID: 1,
          RegionCode: 'mad',
          RegionName: 'Madrid',
          Latitude: 40.4,
          Longitude: -3.7,
          NoMeasureNoHome: true,
          Nodes: [
            {
              Name: '1a',
              RegionID: 1,
              HostName: 'derp.example.org',
              CertName: 'sha256-raw:00',
              IPv4: '192.0.2.1',
              IPv6: 'none',
              STUNPort: -1,
              DERPPort: 8443,
              CanPort80: true,
            },
          ],
        },
      },
      omitDefaultRegions: true,
    };
    assert.deepEqual(layer(json), json);
    assert.deepEqual(JSON.parse(encodeDerpMap(mergeDerpMaps([layer(json)]))), json);
  });

  test('a map file as headscale reads it has lower-case names', () => {
    const yaml = parse(
      [
        'regions:',
        '  900:',
        '    regionid: 900',
        '    regioncode: custom',
        '    regionname: My Region',
        '    nodes:',
        '      - name: 900a',
        '        regionid: 900',
        '        hostname: derp.example.org',
        '        stunport: 0',
        '        stunonly: false',
        '        derpport: 0',
        '  1: null',
      ].join('\n'),
    );
    assert.deepEqual(layer(yaml).Regions, {
      1: null,
      900: {
        RegionID: 900,
        RegionCode: 'custom',
        RegionName: 'My Region',
        Nodes: [{ Name: '900a', RegionID: 900, HostName: 'derp.example.org' }],
      },
    });
  });

  test('a YAML parser may give a Map', () => {
    const yaml = parse('regions:\n  900:\n    nodes: []\n', { mapAsMap: true });
    assert.deepEqual(Object.keys(layer(yaml).Regions), ['900']);
  });

  test('a later layer replaces a region whole, and null removes it', () => {
    const merged = mergeDerpMaps([
      layer({ Regions: { 1: region('a'), 2: region('b'), 3: region('c') } }),
      layer({ Regions: { 1: null, 2: region('d') } }),
    ]);
    assert.deepEqual(Object.keys(merged.Regions), ['2', '3']);
    assert.equal(merged.Regions['2']?.RegionCode, 'd');
  });

  test('a region removed by one layer may be put back by a later one', () => {
    const merged = mergeDerpMaps([
      layer({ Regions: { 1: region('a') } }),
      layer({ Regions: { 1: null } }),
      layer({ Regions: { 1: region('b') } }),
    ]);
    assert.equal(merged.Regions['1']?.RegionCode, 'b');
  });

  test('the text depends on the meaning only', () => {
    const one = mergeDerpMaps([
      layer({ Regions: { 2: region('b') } }),
      layer({ Regions: { 1: region('a') } }),
    ]);
    const { RegionName, ...rest } = region('a') as { RegionName: string };
    const two = mergeDerpMaps([layer({ regions: { 2: region('b'), 1: { ...rest, RegionName } } })]);
    assert.equal(encodeDerpMap(one), encodeDerpMap(two));
  });

  test('what is wrong in a node leaves out the node, with its place and name', () => {
    const decoded = decoding({
      Regions: {
        1: {
          Nodes: [
            { Name: '1a' },
            { HostName: 'nameless' },
            'text',
            { Name: '1b', HostName: 'h', DERPPort: 70_000, STUNOnly: 'no' },
            { Name: '1c', HostName: 'h', RegionID: 2 },
            { Name: '1d', HostName: 'good' },
          ],
        },
      },
    });
    assert.deepEqual(
      decoded.layer.Regions['1']?.Nodes.map(({ Name }) => Name),
      ['1c', '1d'],
    );
    assert.deepEqual(decoded.leftOut, [
      'Regions.1.Nodes[0] (1a): HostName: missing',
      'Regions.1.Nodes[1]: Name: missing',
      'Regions.1.Nodes[2]: expected an object',
      'Regions.1.Nodes[3] (1b): STUNOnly: expected true or false; DERPPort: expected a TCP port',
    ]);
  });

  test('the number of a region is the one that it stands under, whatever it and its nodes say', () => {
    const { layer: read, ...said } = decoding({
      regions: {
        902: {
          regionid: 900,
          nodes: Object.entries({ a: 900, b: 902, c: 'x', d: 0 }).map(([Name, RegionID]) => ({
            Name,
            HostName: 'h',
            RegionID,
          })),
        },
        903: { regionid: 0, nodes: [{ Name: 'e', HostName: 'h' }] },
      },
    });
    assert.deepEqual(
      Object.entries(read.Regions).map(([id, found]) => [
        id,
        found?.RegionID,
        found?.Nodes.map(({ Name, RegionID }) => `${Name}${RegionID}`),
      ]),
      [
        ['902', 902, ['a902', 'b902', 'c902', 'd902']],
        ['903', 903, ['e903']],
      ],
    );
    const taken = 'RegionID: taken as 902, the region it stands in';
    assert.deepEqual(said, {
      leftOut: [],
      corrected: [
        `Regions.902: ${taken}`,
        `Regions.902.Nodes[0] (a): ${taken}`,
        `Regions.902.Nodes[2] (c): ${taken}`,
      ],
    });
  });

  test('what is wrong in a region leaves out the region, and no other', () => {
    const { layer: read, leftOut } = decoding({
      Regions: {
        x: region('x'),
        1: { RegionCode: true, Nodes: [] },
        2: { Nodes: 'h' },
        3: 7,
        4: { Latitude: 91 },
        5: { Nodes: [{ Name: '5a' }] },
        6: { Nodes: [{ Name: '1b', HostName: 'h' }] },
        7: { Nodes: [{ Name: '1b', HostName: 'h' }] },
        8: { RegionID: '8', RegionCode: 8, Nodes: [{ Name: 8, HostName: 'h', RegionID: '8' }] },
      },
      HomeParams: { RegionScore: { 8: 2, 9: 'far' } },
    });
    assert.deepEqual(Object.keys(read.Regions), ['6', '8']);
    assert.deepEqual(read.Regions['8'], {
      RegionID: 8,
      RegionCode: '8',
      RegionName: '8',
      Nodes: [{ Name: '8', RegionID: 8, HostName: 'h' }],
    });
    assert.deepEqual(read.HomeParams, { RegionScore: { 8: 2 } });
    assert.deepEqual(leftOut, [
      'Regions.1: RegionCode: expected text',
      'Regions.2: Nodes: expected a list',
      'Regions.3: expected an object or null',
      'Regions.4: Latitude: expected degrees, -90 to 90',
      'Regions.5.Nodes[0] (5a): HostName: missing',
      'Regions.5: no node is left',
      'Regions.7.Nodes[0] (1b): Name: another node has it',
      'Regions.7: no node is left',
      'Regions.x: expected a region number',
      'HomeParams.RegionScore.9: expected a region number and a factor',
    ]);
  });

  test('what is no map at all is a fault', () => {
    for (const value of [undefined, null, 7, 'text', [], [{}]]) {
      assert.deepEqual(decodeDerpMap(value), {
        ok: false,
        error: 'expected an object with Regions',
      });
    }
    assert.deepEqual(decodeDerpMap({ Regions: [] }), {
      ok: false,
      error: 'Regions: expected an object',
    });
    const Regions = Object.fromEntries(
      Array.from({ length: MAX_REGIONS + 1 }, (_, i) => [i + 1, null]),
    );
    assert.deepEqual(decodeDerpMap({ Regions }), {
      ok: false,
      error: `Regions: more than ${MAX_REGIONS}`,
    });
  });

  test('no input makes the decoder throw', () => {
    decodeDerpMap(new Map([[{ toString: false }, 1]]));
    fc.assert(
      fc.property(fc.oneof(fc.anything({ withMap: true }), mapLike), (value) => {
        const decoded = decodeDerpMap(value);
        if (decoded.ok) encodeDerpMap(mergeDerpMaps([decoded.value.layer]));
      }),
    );
  });
});

const mapLike = fc.record({
  Regions: fc.dictionary(
    fc.oneof(fc.integer({ min: 1, max: 999 }).map(String), fc.string()),
    fc.record({ Nodes: fc.array(fc.record({ Name: fc.anything(), HostName: fc.anything() })) }),
  ),
  HomeParams: fc.record({ RegionScore: fc.anything() }),
});

function decoding(value: unknown): DecodedDerpMap {
  const decoded = decodeDerpMap(value);
  assert.ok(decoded.ok, String(!decoded.ok && decoded.error));
  return decoded.value;
}

/** Of a map with nothing wrong. */
function layer(value: unknown): DerpMapLayer {
  const { layer: read, leftOut } = decoding(value);
  assert.deepEqual(leftOut, []);
  return read;
}

function region(code: string): object {
  return { RegionCode: code, RegionName: code, Nodes: [] };
}
