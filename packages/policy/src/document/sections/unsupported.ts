/**
 * What the hosted service's language has and this server does not do: fields that are refused unless their
 * value asks for nothing, and attributes that are warned of and not given to clients.
 */
import type { FieldTable, Refusal } from '../reading/read.ts';

/** By the object that a field stands in, then by its name in lower case. */
export const UNSUPPORTED_FIELDS = {
  policy: new Map([
    [
      'derpmap',
      {
        why: 'relays are part of the configuration',
        instead: 'set derp.urls and derp.paths there',
      },
    ],
    [
      'disableipv4',
      {
        why: 'it is an attribute of nodes',
        instead: 'write "nodeAttrs": [{"target": ["*"], "attr": ["disable-ipv4"]}]',
      },
    ],
    [
      'onecgnatroute',
      {
        why: 'it is an attribute of nodes',
        instead: 'write "nodeAttrs": [{"target": ["*"], "attr": ["one-cgnat?v=true"]}], or v=false',
      },
    ],
    [
      'extradnsrecords',
      {
        why: 'DNS records are not part of the policy',
        instead: 'set dns.extra_records in the configuration, or run `malla dns records`',
      },
    ],
  ]),
  autoApprovers: new Map([
    [
      'services',
      {
        why: 'this server has no services',
        instead: 'name the tag of the devices that offer it in the rules',
      },
    ],
  ]),
  ssh: new Map(
    ['recorder', 'enforcerecorder'].map((name): [string, Refusal] => [
      name,
      {
        why: 'sessions are not recorded here',
        instead: 'record them on the host that is logged in to',
      },
    ]),
  ),
} satisfies { readonly [where: string]: FieldTable<string>['refused'] };

/**
 * Attributes with which clients would offer what this server cannot give them. They do no harm, and the
 * hosted service has one in the policy that everybody begins with.
 */
export const UNSUPPORTED_ATTRIBUTES: ReadonlyMap<string, Refusal> = new Map([
  [
    'funnel',
    {
      why: 'this server has no way in from the internet',
      instead: 'put a reverse proxy on a public host that is in the tailnet',
    },
  ],
  [
    'mullvad',
    {
      why: 'this server has no exit nodes of others',
      instead: 'let a device of the tailnet be the exit node',
    },
  ],
]);
