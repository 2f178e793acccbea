/** Work that can be done a little at a time, done at once. */

/** What steps end with. */
export function finished<T>(steps: Iterator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
