/** What a row of the key table says about one key. */
import type { Given } from '../given.ts';
import type { Kind } from '../kind.ts';

export interface KeyFacts {
  /** YAML that config.example.yaml sets the key to; absent: it shows the default, commented out. */
  readonly example?: string;
  /** headscale has no such key. */
  readonly own?: true;
  /** Why the key has no effect here; who sets it to anything but its default is told so. */
  readonly unused?: string;
  /** What took its place; it is still obeyed. */
  readonly deprecated?: string;
  /** The key without which this one has no effect. */
  readonly only?: string;
  /** Why what the key asks for is refused; whether it asks is for check code to say. */
  readonly refused?: string;
}

export interface Key<T> extends KeyFacts {
  readonly kind: Kind<Exclude<T, undefined>> | Kind<T>;
  /** One or more sentences for operators: meaning, unit, range. */
  readonly doc: string;
  /** In YAML, or in words if `fallback` is absent because it depends on other keys. */
  readonly defaultText: string;
  readonly fallback: T;
}

/** A key whose default is constant, written as in YAML. */
export function setting<T>(kind: Kind<T>, initial: string, doc: string, facts?: KeyFacts): Key<T> {
  const composed = /^[[{]/.test(initial);
  const given: Given = {
    source: 'default',
    line: undefined,
    value: composed ? JSON.parse(initial) : initial,
    text: composed ? undefined : initial,
  };
  const parsed = kind.parse(given);
  if (!parsed.ok) throw new RangeError(`default ${initial}: ${parsed.error}`);
  return { kind, doc, defaultText: initial, fallback: parsed.value, ...facts };
}

/** A key that may be absent; `otherwise` says in words what then happens. */
export function optional<T>(
  kind: Kind<T>,
  otherwise: string,
  doc: string,
  facts?: KeyFacts,
): Key<T | undefined> {
  return { kind, doc, defaultText: otherwise, fallback: undefined, ...facts };
}
