/** Which positions of a batch carry a loss. */
import { TristageError } from '../core/errors.ts';

export interface SupervisedPlaces {
  /** int32[N] b * T + t of the hidden state that predicts each supervised token: one place before it. */
  rows: Int32Array;
  /** int32[N] the token to predict. */
  labels: Int32Array;
}

/**
 * Shifts labels by one: the token at t is predicted from t - 1, and the first token of a row is never predicted.
 * @param labels int32[B * T], negative where there is no loss
 * @throws TristageError `E_LABELS` for a label outside the vocabulary
 */
export function supervisedPlaces(request: {
  labels: Int32Array;
  shape: readonly [number, number];
  vocabulary: number;
}): SupervisedPlaces {
  const { labels, vocabulary } = request;
  const [B, T] = request.shape;
  const rows: number[] = [];
  const targets: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 1; t < T; t++) {
      const label = labels[b * T + t] ?? -1;
      if (label < 0) continue;
      if (label >= vocabulary) throw labelError(`row ${b}, position ${t}`, label, vocabulary);
      rows.push(b * T + t - 1);
      targets.push(label);
    }
  }
  return { rows: Int32Array.from(rows), labels: Int32Array.from(targets) };
}

function labelError(where: string, label: number, vocabulary: number): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_LABELS',
    message: 'A label lies outside the vocabulary of the model',
    where,
    found: String(label),
    expected: `0 to ${vocabulary - 1}, or a negative number for no loss`,
    fix: 'Use the tokenizer that belongs to the model',
  });
}

/** Loss and supervised tokens of one row, or of one example of a packed row. */
export interface RowLoss {
  /** Summed over the supervised tokens, in nats. */
  loss: number;
  tokens: number;
}

/**
 * Collects token losses by row, or by example where rows are packed.
 * @param request losses f32[N] on the host, their places b * T + t, and [B, T]; for packed rows owners int32[B * T], the example that
 *   each token belongs to, and the number of examples
 * @returns one entry for each row or example
 */
export function lossByRow(request: {
  losses: ArrayLike<number>;
  places: Int32Array;
  shape: readonly [number, number];
  packed?: { owners: Int32Array; examples: number } | undefined;
}): RowLoss[] {
  const { losses, places, shape, packed } = request;
  const rows = Array.from({ length: packed?.examples ?? shape[0] }, (): RowLoss => ({ loss: 0, tokens: 0 }));
  places.forEach((place, i) => {
    // The token that is predicted stands behind the place that predicts it, which may belong to a shared prefix.
    const row = rows[packed === undefined ? Math.floor(place / shape[1]) : (packed.owners[place + 1] ?? -1)];
    if (row === undefined) return;
    row.loss += losses[i] ?? Number.NaN;
    row.tokens++;
  });
  return rows;
}
