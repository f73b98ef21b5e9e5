/** Ranking candidate answers by loss, as the original's evaluation of multiple choice does. */
import { candidateLosses, rankCandidates } from '../../../lib/eval/rank.ts';
import type { MiniGpt } from '../../../lib/model/minigpt.ts';
import { LIMITS } from '../fixture.ts';
import { encodeBatch, type RecordedBatch, type StepFixture } from './step-fixture.ts';

export async function compareRanking(fixture: StepFixture, model: MiniGpt): Promise<void> {
  const { checks, io, file } = fixture;
  const { image_index, instruction_input, candidates, chat_template, ranks } = file.multi_select;
  const [any] = file.batches;
  if (any === undefined) throw new Error('the fixture has no batch');
  const losses: number[][] = instruction_input.map(() => []);
  // Candidate i of all samples is one batch with its own padding.
  for (const answer of candidates) {
    const batch: RecordedBatch = {
      name: 'multi_select',
      image_index,
      settings: { ...any.settings, chat_template },
      samples: { instruction_input, answer },
      loss: Number.NaN,
    };
    const rows = await candidateLosses(model, encodeBatch(fixture, batch), 'padded-row');
    rows.forEach((loss, row) => {
      losses[row]?.push(loss);
    });
  }
  checks.near('multi_select.losses', losses.flat(), io.floats('multi_select.losses'), LIMITS.loss);
  checks.equal('multi_select.ranks', losses.flatMap(rankCandidates), ranks.flat());
}
