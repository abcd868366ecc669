// Promises as tests look at them: how far one has come, and letting all run that is ready.

/** A promise as far as it has come. */
export interface Watched<T> {
  readonly state: 'pending' | 'resolved' | 'rejected';
  readonly value: T | undefined;
  readonly error: unknown;
}

/** Looks at a promise without waiting for it. A rejection counts as handled. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: { state: Watched<T>['state']; value: T | undefined; error: unknown } = {
    state: 'pending',
    value: undefined,
    error: undefined,
  };
  promise.then(
    (value) => Object.assign(watched, { state: 'resolved', value }),
    (error: unknown) => Object.assign(watched, { state: 'rejected', error }),
  );
  return watched;
}

/** Lets everything run that is ready, promises and what they cause; time does not move. */
export async function breathe(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
