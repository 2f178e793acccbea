/**
 * The users of a tailnet by the texts that policies write for them: the identity provider's identifier,
 * the e-mail address, or the name (of a local user with a trailing `@`). When a text fits several users
 * in different ways, only the strongest counts, in that order: whoever chooses a name like somebody
 * else's address gains nothing by it.
 */
import type { PolicyUser } from '../subjects.ts';

const STRENGTHS = ['identifier', 'address', 'name'] as const;
type Strength = (typeof STRENGTHS)[number];

export class Directory {
  readonly #users = new Map<number, PolicyUser>();
  readonly #byText = new Map<string, Map<number, Strength>>();
  /** What was asked for since a text's users last changed. */
  readonly #resolved = new Map<string, ReadonlySet<number>>();

  get(id: number): PolicyUser | undefined {
    return this.#users.get(id);
  }

  users(): IterableIterator<PolicyUser> {
    return this.#users.values();
  }

  /** Adds or replaces a user. Returns the users, itself included, of whom texts may now say something else. */
  set(user: PolicyUser): ReadonlySet<number> {
    const touched = new Set([user.id, ...this.remove(user.id)]);
    this.#users.set(user.id, user);
    for (const [text, strength] of textsOf(user)) {
      const known = this.#byText.get(text) ?? new Map<number, Strength>();
      this.#byText.set(text, known);
      const before = known.get(user.id);
      if (before === undefined || stronger(strength, before)) known.set(user.id, strength);
      this.#resolved.delete(text);
      for (const id of known.keys()) touched.add(id);
    }
    return touched;
  }

  /** Removes a user. Returns the users of whom texts may now say something else. */
  remove(id: number): ReadonlySet<number> {
    const touched = new Set<number>();
    const user = this.#users.get(id);
    if (user === undefined) return touched;
    touched.add(id);
    this.#users.delete(id);
    for (const [text] of textsOf(user)) {
      const known = this.#byText.get(text);
      this.#resolved.delete(text);
      if (known?.delete(id) !== true) continue;
      for (const other of known.keys()) touched.add(other);
      if (known.size === 0) this.#byText.delete(text);
    }
    return touched;
  }

  /** The users whom a text means. */
  resolve(text: string): ReadonlySet<number> {
    const known = this.#resolved.get(text);
    if (known !== undefined) return known;
    const claims = this.#byText.get(text);
    if (claims === undefined) return NONE;
    const strongest = STRENGTHS.find((strength) => [...claims.values()].includes(strength));
    const ids = [...claims].filter(([, strength]) => strength === strongest).map(([id]) => id);
    const resolved = new Set(ids);
    this.#resolved.set(text, resolved);
    return resolved;
  }

  /** The texts that mean a user. */
  textsFor(user: PolicyUser): readonly string[] {
    const texts = new Set(textsOf(user).map(([text]) => text));
    return [...texts].filter((text) => this.means(text, user.id));
  }

  /** Whether a text means a user. */
  means(text: string, id: number): boolean {
    return this.resolve(text).has(id);
  }
}

const NONE: ReadonlySet<number> = new Set();

function textsOf(user: PolicyUser): readonly (readonly [string, Strength])[] {
  const texts: (readonly [string, Strength])[] = [];
  if (user.providerId !== '') texts.push([user.providerId, 'identifier']);
  if (user.email !== '') texts.push([user.email, 'address']);
  if (user.name !== '') {
    texts.push([`${user.name}@`, 'name']);
    if (user.name.includes('@')) texts.push([user.name, 'name']);
  }
  return texts;
}

function stronger(a: Strength, b: Strength): boolean {
  return STRENGTHS.indexOf(a) < STRENGTHS.indexOf(b);
}
