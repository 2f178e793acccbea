/**
 * Every way in which malla refuses, by area: the stable codes of {@link MallaError}. Never rename or reuse one,
 * clients match on them. What a surface makes of a code is its own business: the REST API has a table from
 * code to HTTP status (`@malla/api/status`), the command line an exit code.
 */

/** The words of each area; a code is `<area>.<word>`. */
const WORDS = {
  request: [
    'invalid',
    'unauthenticated',
    'forbidden',
    'not-found',
    'method-not-allowed',
    'too-large',
  ],
  user: ['not-found', 'name-taken', 'name-invalid'],
  node: [
    'not-found',
    'name-taken',
    'name-invalid',
    'key-in-use',
    'tags-invalid',
    'expiry-invalid',
    'routes-invalid',
    'ambiguous-owner',
    'limit',
    'offline',
    'timeout',
    'bad-answer',
  ],
  'preauth-key': ['not-found', 'invalid'],
  'api-key': ['not-found'],
  register: ['refused'],
  auth: ['id-invalid', 'not-found', 'too-many'],
  address: ['exhausted'],
  policy: ['read-only', 'invalid', 'not-found', 'topology-invalid', 'name-unknown', 'busy'],
  dns: ['record-invalid', 'record-exists', 'record-not-found', 'record-limit'],
  server: ['busy'],
  store: ['unavailable', 'locked', 'conflict', 'corrupt', 'too-new'],
  config: ['invalid'],
  listen: ['failed'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Words = typeof WORDS;

/** A code; `internal` is a bug, whatever the area. */
export type ErrorCode =
  | { [Area in keyof Words]: `${Area}.${Words[Area][number]}` }[keyof Words]
  | 'internal';

/** All of them, area by area. */
export const ERROR_CODES: readonly ErrorCode[] = [
  ...Object.entries(WORDS).flatMap(([area, words]) =>
    words.map((word) => `${area}.${word}` as ErrorCode),
  ),
  'internal',
];

const KNOWN: ReadonlySet<string> = new Set(ERROR_CODES);

/** Whether a text is one of ours. */
export function isErrorCode(text: string): text is ErrorCode {
  return KNOWN.has(text);
}
