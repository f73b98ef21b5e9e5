/** The files of an evaluation: every answer with the settings that made it, and the figures. They hold no time: equal work, equal bytes. */

import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishDirAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { buildPrompt } from '../data/template.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { Answer } from '../eval/answer.ts';
import type { Metrics } from '../eval/metrics/summary.ts';
import type { Evaluation } from './eval-data.ts';
import { type Asked, type EvalFacts, type EvalReport, type PredictionsHeader, predictionsFile } from './eval-report.ts';
import { packageVersion } from './facts.ts';
import type { OpenedRun } from './open-run.ts';

/** Name within the folder of an evaluation. */
const METRICS = 'metrics.json';

type ScoredBy = { model: { metrics: Metrics; answers: readonly Answer[] } } & Partial<
  Record<Exclude<Asked, 'model'>, { metrics: Metrics; answers: readonly Answer[] }>
>;

interface Made {
  facts: EvalFacts;
  scored: ScoredBy;
}

/**
 * The folder that an evaluation is written to.
 * @throws TristageError E_OUT_FOREIGN when something else than an evaluation is there
 */
export function checkEvalFolder({ folder, checkpoint }: OpenedRun, out?: string): string {
  const target = out ?? join(folder, 'eval', `step-${checkpoint.step}`);
  const names = namesIn(target);
  if (names.length === 0 || names.includes(METRICS)) return target;
  throw new TristageError({
    kind: 'usage',
    code: 'E_OUT_FOREIGN',
    message: 'the folder holds something else than an evaluation',
    where: target,
    found: names.slice(0, 5).join(', '),
    expected: `a free name, an empty folder, or a folder with ${METRICS}`,
    fix: 'choose another --out',
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new TristageError({
      kind: 'usage',
      code: 'E_OUT',
      message: 'the folder of the evaluation cannot be used',
      where: folder,
      found: code ?? String(error),
      expected: 'a folder, or a name that is free',
      fix: 'choose another --out',
      cause: error,
    });
  }
}

/** The settings of an evaluation. */
export async function evalFacts(made: {
  run: OpenedRun;
  evaluation: Evaluation;
  engine: EngineInfo;
}): Promise<EvalFacts> {
  const { config, checkpoint } = made.run;
  const { settings, transform, fingerprint } = made.evaluation;
  const { batch, maxNewTokens, seed, sources } = settings;
  const { backend, device, version, threads } = made.engine;
  return {
    version: 1,
    run: config.name,
    stage: config.stage,
    step: checkpoint.step,
    checkpoint: (await sha256File(checkpoint.modelFile)).hash,
    decode: { method: 'greedy', batch, maxNewTokens },
    template: buildPrompt({ question: '{question}', images: 1 }),
    transform,
    seed,
    questions: fingerprint,
    sources,
    engine: { backend, device, version, threads },
    versions: { tristage: packageVersion(), node: process.version },
  };
}

/** Figures and settings of an evaluation. */
export function reportOf({ facts, scored, chance }: Made & { chance?: Metrics | undefined }): EvalReport {
  const asked: Record<string, number> = {};
  for (const { task } of scored.model.answers) asked[task] = (asked[task] ?? 0) + 1;
  const { model, shuffled, untrained } = scored;
  const metrics = {
    model: model.metrics,
    ...(chance && { chance }),
    ...(untrained && { untrained: untrained.metrics }),
    ...(shuffled && { shuffled: shuffled.metrics }),
  };
  return { format: 'tristage-metrics', ...facts, asked, metrics };
}

/** Writes `predictions.jsonl`, `shuffled.jsonl`, `untrained.jsonl` and `metrics.json`; the folder appears whole or not at all. */
export async function writeEvaluation(made: Made & { folder: string; report: EvalReport }): Promise<void> {
  const { folder, facts, scored, report } = made;
  await publishDirAtomic(folder, async (temporary) => {
    for (const asked of ['model', 'shuffled', 'untrained'] as const) {
      const answers = scored[asked]?.answers;
      if (answers === undefined) continue;
      const header: PredictionsHeader = { format: 'tristage-predictions', asked, ...facts };
      const lines = [header, ...answers].map((line) => `${JSON.stringify(line)}\n`);
      await writeFile(join(temporary, predictionsFile(asked)), lines.join(''));
    }
    await writeFile(join(temporary, METRICS), `${JSON.stringify(report, null, 2)}\n`);
  });
}
