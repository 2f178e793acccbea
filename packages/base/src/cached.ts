/** What is worked out once for a value, and let go with it. */

/** What is kept for a key; made where there is nothing yet. */
export function cached<Key extends object, Value extends object | string>(
  values: WeakMap<Key, Value>,
  key: Key,
  make: () => Value,
): Value {
  let value = values.get(key);
  if (value === undefined) values.set(key, (value = make()));
  return value;
}
