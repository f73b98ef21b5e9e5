/** Run folders as training and evaluation leave them, written by hand: no model is needed to report on one. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emojiScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import { summarise, summariseChance } from '../../../lib/eval/metrics/summary.ts';
import { collectQuestions } from '../../../lib/eval/questions.ts';
import { unanswered } from '../../../lib/eval/runner.ts';
import { reportOf, writeEvaluation } from '../../../lib/run/eval-files.ts';
import type { EvalFacts } from '../../../lib/run/eval-report.ts';
import { steps } from '../report/html/report-support.ts';

export interface MadeRun {
  folder: string;
  name: string;
  /** `init.from` */
  from?: string;
  steps?: number;
  /** Default: whether there are as many events as steps. */
  summary?: object;
  /** Updates done; default all. */
  done?: number;
}

/** Writes configuration, events and summary. */
export function makeRun({ folder, name, from, steps: planned = 4, done = planned, summary }: MadeRun): string {
  mkdirSync(folder, { recursive: true });
  const init = from === undefined ? '' : `init: { from: ${JSON.stringify(from)} }\n`;
  writeFileSync(
    join(folder, 'config.resolved.yaml'),
    `version: 1\nname: ${name}\nstage: stage1-pretrain\n${init}train: { steps: ${planned}, betas: [0.9, 0.95] }\n`,
  );
  writeFileSync(
    join(folder, 'events.jsonl'),
    steps(done)
      .map((event) => `${JSON.stringify(event)}\n`)
      .join(''),
  );
  if (done === planned)
    writeFileSync(join(folder, 'summary.json'), JSON.stringify({ name, finished: true, step: done, ...summary }));
  return folder;
}

/** Options of the source that is asked; images of 56 pixels. */
const ASKED = {
  source: 'emoji-scenes',
  root: '.',
  task: 'refer',
  split: 'heldout',
  count: 64,
  imageSize: 56,
  classes: ['dog', 'car', 'tree'],
  turns: { refer: 1, vqa: 1 },
} as const;

/** Writes an evaluation in which every answer is right but for the places named. */
export async function makeEvaluation(
  folder: string,
  request: { step: number; questions: number; wrong?: number; source?: string },
): Promise<void> {
  const { step, questions, wrong = 0, source = ASKED.source } = request;
  const opened = await emojiScenes.open(ASKED);
  const { samples } = await collectQuestions({ source: opened, perTask: questions, seed: 0 });
  const answers = samples.map((sample, place) => {
    const asked = { ...unanswered(sample), source };
    return { ...asked, answer: place < wrong ? 'no' : asked.reference, ended: true };
  });
  const facts: EvalFacts = {
    version: 1,
    run: 'made',
    stage: 'stage1-pretrain',
    step,
    checkpoint: 'ab'.repeat(32),
    decode: { method: 'greedy', batch: 1, maxNewTokens: {} },
    template: '{question}',
    transform: 'pillow-bicubic',
    seed: 0,
    questions: 'cd'.repeat(32),
    sources: [{ ...ASKED, source, samples: questions }],
    engine: { backend: 'torch', device: 'cpu', version: '2', threads: 1 },
    versions: { tristage: '0', node: 'v20' },
  };
  const scored = { model: { metrics: summarise(answers), answers } };
  const report = reportOf({ facts, scored, chance: summariseChance(answers) });
  await writeEvaluation({ folder: join(folder, 'eval', `step-${step}`), facts, scored, report });
}
