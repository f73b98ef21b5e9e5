/** Choosing among given answers by how likely the model finds each (reference.md 7.7). */
import { deviceBatch, disposeBatch, type ModelBatch } from '../model/batch.ts';
import { type MiniGpt, tokenLosses } from '../model/minigpt.ts';
import { lossByRow } from '../model/supervised.ts';

/**
 * What a candidate's summed loss is divided by. `tokens`: its own answer tokens, so that long and short answers compare. `padded-row`,
 * for compatibility: the padded length of the row, which differs between candidates by accident, as the reference divides.
 */
export type CandidateScore = 'tokens' | 'padded-row';

/**
 * The loss of each row's answer.
 * @param batch each row a prompt followed by one candidate answer, which alone is supervised
 * @returns f32[B], in nats; Infinity for a row without supervised token
 */
export async function candidateLosses(
  model: MiniGpt,
  batch: ModelBatch,
  score: CandidateScore = 'tokens',
): Promise<Float32Array> {
  const device = deviceBatch(batch, model.config);
  try {
    const losses = device.supervised === 0 ? undefined : tokenLosses(model, device);
    const values = (await losses?.data()) ?? [];
    losses?.dispose();
    const rows = lossByRow({ losses: values, places: device.places, shape: batch.shape });
    return Float32Array.from(rows, ({ loss, tokens }) => {
      if (tokens === 0) return Number.POSITIVE_INFINITY;
      return loss / (score === 'tokens' ? tokens : batch.shape[1] - 1);
    });
  } finally {
    disposeBatch(device);
  }
}

/**
 * Candidates from likeliest to least likely; equal losses keep their order.
 * @param losses one for each candidate
 * @returns their indices
 */
export function rankCandidates(losses: ArrayLike<number>): number[] {
  const order = Array.from({ length: losses.length }, (_, i) => i);
  return order.sort((a, b) => (losses[a] ?? 0) - (losses[b] ?? 0));
}
