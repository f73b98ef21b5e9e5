/** The quickstart: three stages after one another, each questioned when it ends, and one summary of all. */

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { EngineName } from '../engine/engine.ts';
import { parseRequirement, unmetRequirements } from '../eval/metrics/figures.ts';
import { type Registry, resolveAll } from './config.ts';
import { evaluateRun } from './eval.ts';
import { exportRun } from './export.ts';
import type { Display } from './progress.ts';
import { type FinishedStage, type QuickstartSummary, quickstartSummary } from './quickstart-summary.ts';
import { refreshReport } from './report/index.ts';
import { RUN_FILES, writeRunJson } from './run-folder.ts';
import { trainAll } from './train-all.ts';

/** One stage: its run file, and how many questions of each task it is asked when it ends. */
export interface QuickstartStage {
  file: string;
  samples: number;
}

export interface QuickstartRequest {
  /** Each starts from the one before it. */
  stages: readonly QuickstartStage[];
  /** Gets `data`, a folder for each stage under the name of its run, `exports`, `summary.json` and `report.html`. */
  out: string;
  engine: EngineName;
  /** Sees to it that a folder holds the weakly labelled data sets; gives the root of each by the name of its source. */
  weakData: (dir: string) => Promise<Readonly<Record<string, string>>>;
  registry: Registry;
  logger: Logger;
  /** Where training shows its bar; absent: lines. */
  display?: Display | undefined;
  /** Share of the steps of each file that are done. Default 1. */
  share?: number | undefined;
  /** Figures that the last stage must reach, such as `refer>=0.5`. */
  require?: readonly string[] | undefined;
  /** Formats in which the last stage is exported, into `exports/FORMAT`. Default none. */
  exports?: readonly string[] | undefined;
  /** `a.b=c` arguments laid over every stage. */
  set?: readonly string[] | undefined;
  /** Seconds that went into packages, build and engine before this. Default 0. */
  setupSeconds?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface QuickstartResult {
  /** Absent when it was interrupted. */
  summary?: QuickstartSummary;
  /** Figures that were not reached. */
  unmet: readonly TristageError[];
}

/** What `progress.json` says. */
interface Progress {
  /** What was asked for; another request does not go on with this one. */
  plan: string;
  setupSeconds: number;
  stages: Record<string, FinishedStage>;
}

const FILES = { progress: 'progress.json', summary: RUN_FILES.summary, data: 'data', exports: 'exports' } as const;

/**
 * Runs the quickstart, or goes on with one that was not finished; a finished one is moved aside first.
 * @throws TristageError of every kind; what was done before stays and is used by the next call
 */
export async function runQuickstart(request: QuickstartRequest): Promise<QuickstartResult> {
  const { out, stages, logger, require = [], signal } = request;
  const requirements = require.map(parseRequirement);
  const progress = await begin(request);
  const roots = await request.weakData(join(out, FILES.data));
  const finished: FinishedStage[] = [];
  for (const [place, stage] of stages.entries()) {
    const { name, settings } = settingsOf(request, { stage, before: stages[place - 1], roots });
    const known = progress.stages[name];
    if (known !== undefined) logger.info(`${name} is finished`);
    const made = known ?? (await runStage(request, { stage, place, name, settings }));
    if (made === undefined) return { unmet: [] };
    finished.push(made);
    progress.stages[name] = made;
    await writeRunJson(out, FILES.progress, progress);
    if (signal?.aborted === true) return { unmet: [] };
  }
  const exports = await exportLast(request, finished.at(-1)?.run.name);
  if (exports === undefined) return { unmet: [] };
  const { setupSeconds } = progress;
  const summary = quickstartSummary({ engine: request.engine, setupSeconds, stages: finished, exports });
  await writeRunJson(out, FILES.summary, summary);
  await refreshReport(out, request);
  const last = finished.at(-1);
  return { summary, unmet: last === undefined ? [] : unmetRequirements(requirements, last.metrics) };
}

/** Exports a stage in every wanted format; undefined when it was interrupted. */
async function exportLast(
  { exports = [], out, registry, logger, signal }: QuickstartRequest,
  stage: string | undefined,
): Promise<QuickstartSummary['exports'] | undefined> {
  const made: QuickstartSummary['exports'] = [];
  for (const format of stage === undefined ? [] : exports) {
    if (signal?.aborted === true) return undefined;
    const path = join(out, FILES.exports, format);
    const checkpoint = join(out, stage as string);
    const start = performance.now();
    const { manifest } = await exportRun({ checkpoint, format, out: path, replace: true, registry, logger });
    const { maxAbsLogitDiff } = manifest.parity;
    logger.info(`exported ${path}: read back, its logits differ by at most ${maxAbsLogitDiff}`);
    made.push({ format, path, maxAbsLogitDiff, seconds: (performance.now() - start) / 1000 });
  }
  return made;
}

/** Where an unfinished quickstart of the same kind stands; anything else in its folder gets another name first. */
async function begin({ out, stages, engine, share, set, setupSeconds = 0, logger }: QuickstartRequest) {
  const plan = JSON.stringify({ stages, engine, share, set });
  const known = readProgress(out);
  if (known?.plan === plan && !existsSync(join(out, FILES.summary))) {
    logger.info(`going on with the quickstart in ${out}`);
    return known;
  }
  if (known !== undefined) {
    const aside = `${out}-${new Date().toISOString().replace(/\D/g, '').slice(0, 17)}`;
    await rename(out, aside);
    logger.info(`moved the quickstart of an earlier call to ${aside}`);
  }
  const progress: Progress = { plan, setupSeconds, stages: {} };
  await mkdir(out, { recursive: true });
  await writeRunJson(out, FILES.progress, progress);
  return progress;
}

function readProgress(out: string): Progress | undefined {
  const path = join(out, FILES.progress);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Progress) : undefined;
}

interface StagePlace {
  stage: QuickstartStage;
  before: QuickstartStage | undefined;
  roots: Readonly<Record<string, string>>;
}

/** What the command line would set to run a stage's file in the folder of this quickstart. */
function settingsOf(request: QuickstartRequest, { stage, before, roots }: StagePlace) {
  const { registry, out, engine, share = 1, set = [] } = request;
  const [run, parent] = [stage, before].map((one) => one && resolveAll([one.file], { registry, set })[0]?.config);
  const { data, train, name } = run!;
  const places = data.mixture.sources.flatMap(({ source }, line) =>
    roots[source] === undefined ? [] : [`data.mixture.sources.${line}.root=${roots[source]}`],
  );
  const shareOf = (steps: number): number => Math.max(1, Math.round(steps * share));
  const settings = [
    `train.steps=${shareOf(train.steps)}`,
    `train.schedule.warmupSteps=${shareOf(train.schedule.warmupSteps)}`,
    ...set,
    ...places,
    `engine.backend=${engine}`,
    ...(parent === undefined ? [] : [`init.from=${join(out, parent.name)}`]),
  ];
  return { name, settings };
}

interface StageWork {
  stage: QuickstartStage;
  place: number;
  name: string;
  settings: readonly string[];
}

/** Trains a stage to its end and questions it; undefined when it was interrupted. */
async function runStage(request: QuickstartRequest, work: StageWork): Promise<FinishedStage | undefined> {
  const { out, stages, registry, logger, display, signal } = request;
  const { stage, place, name, settings } = work;
  const folder = join(out, name);
  const start = performance.now();
  logger.info(`${name}, ${place + 1} of ${stages.length}`);
  const [trained] = await trainAll({
    files: [stage.file],
    out: folder,
    set: settings,
    resume: existsSync(folder),
    registry,
    logger,
    display,
    ...(signal === undefined ? {} : { signal }),
  });
  if (trained?.summary.finished !== true) return undefined;
  const last = place === stages.length - 1;
  const { report } = await evaluateRun({
    checkpoint: folder,
    registry,
    logger,
    samples: stage.samples,
    // The model without any training is what stage 1 began with; the other controls stand beside the last model.
    controls: [...(place === 0 ? (['untrained'] as const) : []), ...(last ? (['chance', 'shuffled'] as const) : [])],
  });
  await refreshReport(folder, request);
  const { model, ...controls } = report.metrics;
  return {
    run: trained.summary,
    // The time before an interruption counts too: that of the steps is known.
    seconds: Math.max(trained.summary.seconds, (performance.now() - start) / 1000),
    metrics: model,
    controls,
  };
}
