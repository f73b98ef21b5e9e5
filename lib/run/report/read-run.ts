/** One run folder as a report shows it. Everything beyond the configuration may be missing: a run can be looked at while it trains. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FeatureCounts } from '../../core/feature-counts.ts';
import type { BadSample } from '../../data/ledger.ts';
import { estimatesOf } from '../../eval/metrics/figures.ts';
import type { Metrics } from '../../eval/metrics/summary.ts';
import { type RunEvent, readEvents, type StepEvent } from '../../report/events.ts';
import { percent } from '../../report/html/format.ts';
import type { Figures, MixtureLine, ReportedEvaluation, ReportedRun } from '../../report/html/report.ts';
import { eventWarnings } from '../../report/html/warnings.ts';
import type { EvalReport } from '../eval-report.ts';
import { recordedExports } from '../exports.ts';
import type { runFacts } from '../facts.ts';
import { addCounts, describeCounts, hitShare, NO_COUNTS } from '../feature-counts.ts';
import { RUN_FILES, type RunSummary, readSummary } from '../run-folder.ts';
import { mixtureShares } from '../shares.ts';
import { readSettings } from './find-runs.ts';
import { parentOf, readJson } from './parentage.ts';

/** Causes of bad samples that are named; the rest is counted. */
const NAMED_CAUSES = 5;
/** Digits of a hash that tell files apart for people. */
const HASH_DIGITS = 16;

/**
 * Reads a run folder.
 * @param folder with a resolved configuration
 * @throws TristageError E_EVENTS for a damaged record, and those of reading YAML
 */
export function readReportedRun(folder: string): ReportedRun {
  const settings = readSettings(folder);
  const events = eventsOf(folder);
  const summary = readSummary(folder);
  const facts = readJson<ReturnType<typeof runFacts>>(join(folder, RUN_FILES.run));
  const evaluation = evaluationOf(folder, events);
  const done = events.filter((event) => event.event === 'step' || event.event === 'skip');
  const step = done.at(-1)?.step ?? 0;
  const seconds = done.reduce((sum, event) => sum + event.seconds, 0);
  const finished = summary?.finished === true && summary.step === step;
  const run = {
    name: textOf(settings['name']),
    stage: textOf(settings['stage']),
    folder,
    finished,
    step,
    steps: Number((settings['train'] as { steps?: unknown } | undefined)?.steps ?? step),
    seconds,
    samplesPerSecond: speedOf(events),
    events,
    mixture: summary?.mixture ?? mixtureSoFar(facts, events),
    evaluation,
    facts: [...(facts === undefined ? [] : factRows(facts, { folder, summary })), ...cacheRow(events)],
    config: readFileSync(join(folder, RUN_FILES.config), 'utf8'),
    settings: new Map(flattened(settings)),
  };
  return { ...run, warnings: [...eventWarnings(run), ...ledgerWarnings(folder)] };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function eventsOf(folder: string): RunEvent[] {
  const path = join(folder, RUN_FILES.events);
  return existsSync(path) ? readEvents(path) : [];
}

/** Samples a second over all steps, each weighing as long as it took. */
function speedOf(events: readonly RunEvent[]): number {
  const steps = events.filter((event): event is StepEvent => event.event === 'step');
  const seconds = steps.reduce((sum, event) => sum + event.seconds, 0);
  return steps.reduce((sum, event) => sum + event.samplesPerSecond * event.seconds, 0) / Math.max(seconds, 1e-9);
}

/** The mixture of a run that has not come to its summary. */
function mixtureSoFar(
  facts: ReturnType<typeof runFacts> | undefined,
  events: readonly RunEvent[],
): readonly MixtureLine[] {
  const drawn = events.some((event) => event.event === 'step' && event.drawn !== undefined);
  return drawn && facts !== undefined ? mixtureShares(facts.plan.sources, events) : [];
}

/** What metrics.json of the newest evaluation says. */
function evaluationFile(folder: string): EvalReport | undefined {
  const found = evaluationFolder(folder);
  return found === undefined ? undefined : readJson<EvalReport>(join(found, 'metrics.json'));
}

/** The folder of the newest evaluation of a run: the one of the greatest step. */
export function evaluationFolder(folder: string): string | undefined {
  const within = join(folder, 'eval');
  if (!existsSync(within)) return undefined;
  const steps = readdirSync(within)
    .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((step) => existsSync(join(within, `step-${step}`, 'metrics.json')));
  return steps.length === 0 ? undefined : join(within, `step-${Math.max(...steps)}`);
}

/** The newest evaluation, or else the last time that the model was questioned while it trained. */
function evaluationOf(folder: string, events: readonly RunEvent[]): ReportedEvaluation | undefined {
  const file = evaluationFile(folder);
  if (file !== undefined) {
    const { model, ...controls } = file.metrics;
    const named = Object.entries(controls).map(([name, metrics]) => [name, figures(metrics)] as const);
    return { step: file.step, origin: 'evaluation', model: figures(model), controls: Object.fromEntries(named) };
  }
  const last = events.findLast((event) => event.event === 'evaluation');
  return last && { step: last.step, origin: 'training', model: last.figures, controls: {} };
}

function figures(metrics: Metrics): Figures {
  return Object.fromEntries(estimatesOf(metrics));
}

function factRows(
  { tristage, node, platform, opened, engine, plan, weights }: ReturnType<typeof runFacts>,
  { folder, summary }: { folder: string; summary: RunSummary | undefined },
): [string, string][] {
  const [evaluation, parent] = [evaluationFile(folder), parentOf(folder)];
  return [
    ['tristage', tristage],
    ['Node.js', node],
    ['platform', platform],
    ['engine', `${engine.backend} ${engine.version} on ${engine.device}, ${engine.threads} threads`],
    ['opened', opened.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['parameters that train', plan.trainable.toLocaleString('en-US')],
    ['parameters that stay', plan.frozen.toLocaleString('en-US')],
    ...(parent === undefined
      ? []
      : ([
          ['started from', `${parent.name}, step ${parent.step}, SHA-256 ${parent.model.slice(0, HASH_DIGITS)}…`],
        ] as const)),
    ...(summary?.best === undefined
      ? []
      : ([
          ['best checkpoint', `${summary.best.checkpoint}: ${summary.best.metric} ${summary.best.value.toFixed(3)}`],
        ] as const)),
    ...(evaluation === undefined
      ? []
      : ([
          ['evaluated checkpoint', `step ${evaluation.step}, SHA-256 ${evaluation.checkpoint.slice(0, HASH_DIGITS)}…`],
          [
            'questions',
            `${Object.values(evaluation.asked).reduce((sum, own) => sum + own, 0)}, fingerprint ${evaluation.questions.slice(0, HASH_DIGITS)}…`,
          ],
        ] as const)),
    ...recordedExports(folder).map(({ format, path, step, maxAbsLogitDiff }): [string, string] => [
      `exported as ${format}`,
      `${path}, step ${step}, logits equal to within ${maxAbsLogitDiff.toPrecision(2)}`,
    ]),
    ...weights.map(({ path, sha256 }): [string, string] => [
      `weights ${path}`,
      `SHA-256 ${sha256.slice(0, HASH_DIGITS)}…`,
    ]),
  ].map(([name, value]): [string, string] => [name ?? '', value ?? '']);
}

/** What the feature cache did in all parts of a run so far; nothing where none was used. */
function cacheRow(events: readonly RunEvent[]): [string, string][] {
  let counts: FeatureCounts | undefined;
  for (const event of events) {
    if (!('features' in event) || event.features === undefined) continue;
    const isTotal = event.event === 'interrupted' || event.event === 'end';
    counts = isTotal ? event.features : addCounts(counts ?? NO_COUNTS, event.features);
  }
  return counts === undefined
    ? []
    : [['feature cache', `${percent(hitShare(counts))} hits: ${describeCounts(counts)}`]];
}

/** Values by dotted path; a list of single values is one value. */
function flattened(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return [[path, value.join(', ')]];
  return Object.entries(value).flatMap(([key, item]) => flattened(item, path === '' ? key : `${path}.${key}`));
}

/** How many samples were replaced, and why. */
function ledgerWarnings(folder: string): string[] {
  const path = join(folder, RUN_FILES.ledger);
  if (!existsSync(path)) return [];
  const entries = readFileSync(path, 'utf8').split('\n').flatMap(badSampleOf);
  if (entries.length === 0) return [];
  const causes = new Map<string, BadSample[]>();
  for (const entry of entries) {
    const key = `${entry.source}, ${entry.code}`;
    causes.set(key, [...(causes.get(key) ?? []), entry]);
  }
  const named = [...causes].sort(([, a], [, b]) => b.length - a.length).slice(0, NAMED_CAUSES);
  return [
    `${entries.length} samples could not be used and were replaced; ${RUN_FILES.ledger} names each`,
    ...named.map(
      ([key, [first, ...more]]) =>
        `${more.length + 1} of ${key}; the first: ${first?.where ?? ''}: ${first?.cause ?? ''}`,
    ),
  ];
}

/** A line that a crash cut is passed over. */
function badSampleOf(line: string): BadSample[] {
  try {
    const entry = JSON.parse(line) as Partial<BadSample> | null;
    return typeof entry?.source === 'string' && typeof entry.code === 'string' ? [entry as BadSample] : [];
  } catch {
    return [];
  }
}
