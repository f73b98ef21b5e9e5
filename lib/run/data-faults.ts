/** Faults of several sources and files of weights at once, so that nobody has to mend one after another. */

import { TristageError } from '../core/errors.ts';

/** Collects faults of kind `data`; anything else goes on at once. */
export interface DataFaults {
  /** Runs an action; its fault is kept. */
  attempt<T>(action: () => Promise<T>): Promise<T | undefined>;
  /** Keeps faults that were found without stopping at them. */
  add(faults: readonly TristageError[]): void;
  /** @throws TristageError as {@link raiseFaults} */
  raise(): void;
}

/** Starts collecting. */
export function dataFaults(): DataFaults {
  const faults: TristageError[] = [];
  return {
    async attempt(action) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof TristageError && error.kind === 'data')) throw error;
        faults.push(...(error.cause instanceof AggregateError ? error.cause.errors : [error]));
        return undefined;
      }
    },
    add: (found) => void faults.push(...found),
    raise: () => raiseFaults(faults),
  };
}

/**
 * Ends with all faults at once; none of them, nothing happens.
 * @throws TristageError the fault itself when it is alone; else E_DATA where one of them is of kind `data`, or E_WEIGHTS, whose cause is an
 *   AggregateError of one TristageError for each (see `faultsOf`)
 */
export function raiseFaults(faults: readonly TristageError[]): void {
  const [first, ...rest] = distinct(faults);
  if (first === undefined) return;
  if (rest.length === 0) throw first;
  const all = [first, ...rest];
  const ofData = all.filter(({ kind }) => kind === 'data').length;
  const where = ofData === 0 ? 'weights' : ofData === all.length ? 'data' : 'data and the weights';
  throw new TristageError({
    kind: ofData === 0 ? 'checkpoint' : 'data',
    code: ofData === 0 ? 'E_WEIGHTS' : 'E_DATA',
    message: `${all.length} faults in the ${where}${all.map(lineOf).join('')}`,
    cause: new AggregateError(all),
  });
}

/** Which path is missing says all of a source; of weights it matters what they are and what they should be. */
function lineOf({ kind, code, where, message, found, expected }: TristageError): string {
  const line = `\n  ${where ?? ''}: ${code}: ${message}`;
  return kind === 'data' ? line : `${line}\n    found:    ${found}\n    expected: ${expected}`;
}

/** Two lines of a mixture may lack the same file; two sources of one folder lack files of their own. */
function distinct(faults: readonly TristageError[]): TristageError[] {
  const key = ({ code, where, found, expected }: TristageError): string =>
    JSON.stringify([code, where, found, expected]);
  return [...new Map(faults.map((fault) => [key(fault), fault])).values()];
}
