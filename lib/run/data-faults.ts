/** Faults of several sources at once, so that nobody has to mend one after another. */

import { TristageError } from '../core/errors.ts';

/** Collects faults of kind `data`; anything else goes on at once. */
export interface DataFaults {
  /** Runs an action; its fault is kept. */
  attempt<T>(action: () => Promise<T>): Promise<T | undefined>;
  /**
   * @throws TristageError the fault itself when it is alone, else E_DATA, whose cause is an AggregateError of one TristageError for
   *   each (see `faultsOf`)
   */
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
    raise() {
      const [first, ...rest] = distinct(faults);
      if (first === undefined) return;
      if (rest.length === 0) throw first;
      const all = [first, ...rest];
      const lines = all.map(({ code, where, message }) => `\n  ${where ?? ''}: ${code}: ${message}`);
      throw new TristageError({
        kind: 'data',
        code: 'E_DATA',
        message: `${all.length} faults in the data${lines.join('')}`,
        cause: new AggregateError(all),
      });
    },
  };
}

/** Two lines of a mixture may lack the same file; two sources of one folder lack files of their own. */
function distinct(faults: readonly TristageError[]): TristageError[] {
  const key = ({ code, where, found, expected }: TristageError): string =>
    JSON.stringify([code, where, found, expected]);
  return [...new Map(faults.map((fault) => [key(fault), fault])).values()];
}
