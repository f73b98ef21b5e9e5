/** What the files of an evaluation say. */

import { readFile } from 'node:fs/promises';
import { TristageError } from '../core/errors.ts';
import type { Answer } from '../eval/answer.ts';
import type { Metrics } from '../eval/metrics/summary.ts';

/** Which answers: of the checkpoint, of the checkpoint shown other images, of the weights that the run began with. */
export type Asked = 'model' | 'shuffled' | 'untrained';

/** The first line of a file of predictions. */
export interface PredictionsHeader {
  format: 'tristage-predictions';
  version: 1;
  asked: Asked;
  run: string;
  stage: string;
  step: number;
  /** SHA-256 of the checkpoint's model.safetensors. */
  checkpoint: string;
  decode: { method: 'greedy'; batch: number; maxNewTokens: Readonly<Record<string, number>> };
  /** A prompt, its question left open. */
  template: string;
  transform: string;
  seed: number;
  /** Fingerprint of the questions. */
  questions: string;
  sources: readonly unknown[];
  engine: { backend: string; device: string; version: string; threads: number };
  versions: { tristage: string; node: string };
}

/** The settings that all files of an evaluation share. */
export type EvalFacts = Omit<PredictionsHeader, 'format' | 'asked'>;

/** What metrics.json says. */
export interface EvalReport extends EvalFacts {
  format: 'tristage-metrics';
  /** Number of questions by task. */
  asked: Readonly<Record<string, number>>;
  metrics: { model: Metrics } & Partial<Record<'chance' | Exclude<Asked, 'model'>, Metrics>>;
}

/** Name of a file of predictions. */
export function predictionsFile(asked: Asked): string {
  return asked === 'model' ? 'predictions.jsonl' : `${asked}.jsonl`;
}

/**
 * Reads a file of predictions.
 * @throws TristageError E_PREDICTIONS for a file that is none
 */
export async function readPredictions(path: string): Promise<{ header: PredictionsHeader; answers: Answer[] }> {
  try {
    const [first, ...rest] = (await readFile(path, 'utf8')).trimEnd().split('\n');
    const header = JSON.parse(first ?? '') as PredictionsHeader;
    if (header.format === 'tristage-predictions' && header.version === 1) {
      return { header, answers: rest.map((line) => JSON.parse(line) as Answer) };
    }
    throw new Error(`a first line with format ${header.format}, version ${header.version}`);
  } catch (cause) {
    throw new TristageError({
      kind: 'data',
      code: 'E_PREDICTIONS',
      message: 'this is no file of predictions',
      where: path,
      found: (cause as Error).message,
      expected: 'a line of settings, then one line of JSON for each answer',
      cause,
    });
  }
}
