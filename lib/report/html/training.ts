/** The part of a page on training: loss, learning rate, speed, memory, figures asked on the way. */

import type { StepEvent } from '../events.ts';
import { figure, legend, lookOf } from './chart.ts';
import { count, duration, fixed, percent, short } from './format.ts';
import { type Line, lineChart } from './line-chart.ts';
import { type Fragment, type Html, html } from './markup.ts';
import type { ReportedChain, ReportedRun } from './report.ts';
import { meanOf, type Segment, type Stretch, stepSeries, stretchesOf, tasksOf } from './series.ts';
import { table } from './table.ts';

const GIB = 1024 ** 3;
/** A loss whose first and last differ by more than this is drawn in decades. */
const WIDE = 8;
/** Part of a run over which its last loss is a mean; a single step says little of a task with few tokens. */
const END = 0.05;

/** Everything about the training of one chain. */
export function trainingSection({ runs }: ReportedChain): Html {
  const stretches = stretchesOf(runs);
  return html`<section id="training"><h2>Training</h2>
${runTable(runs)}
${runs.length > 1 && html`<p>The runs stand one after another on the axis of steps; a broken line marks where the next one begins.</p>`}
<div class="charts">${lossChart(stretches)}${rateChart(stretches)}</div>
${taskLosses(stretches)}
<h3>Speed and resources</h3>
<div class="charts small">${resourceCharts(stretches)}</div>
${examCharts(stretches)}</section>`;
}

/** Loss and learning rate of chains that are compared, laid over each other. */
export function comparedCharts(chains: readonly ReportedChain[]): Html {
  const linesOf = (segmentsOf: (stretches: readonly Stretch[]) => Segment[]) =>
    chains.map(({ label, runs }, place): Line => {
      return { name: label, look: lookOf(place), segments: segmentsOf(stretchesOf(runs)) };
    });
  const [losses, rates] = [linesOf(lossOf), linesOf((stretches) => stepSeries(stretches, ({ lr }) => lr))];
  const common = { stretches: [], size: 'wide' } as const;
  const loss = lineChart({ ...common, ...scaleOf(losses), lines: losses, description: describe(losses) });
  const rate = lineChart({ ...common, lines: rates, zero: true, smooth: 0, description: describe(rates) });
  return html`${legend(losses)}<div class="charts">${figure({ title: 'Loss, all tasks', chart: loss })}${figure({ title: 'Learning rate', chart: rate })}</div>`;
}

/** Loss of each task, the chains laid over each other. */
export function comparedTaskLosses(chains: readonly ReportedChain[]): Html {
  const all = chains.map(({ label, runs }) => ({ label, stretches: stretchesOf(runs) }));
  const tasks = [...new Set(all.flatMap(({ stretches }) => tasksOf(stretches)))];
  const charts = tasks.map((task) => {
    const lines = all.map(({ label, stretches }, place): Line => {
      return { name: label, look: lookOf(place), segments: taskLoss(stretches, task) };
    });
    const chart = lineChart({ ...scaleOf(lines), lines, stretches: [], size: 'small', description: describe(lines) });
    return figure({ title: task, chart });
  });
  return html`<div class="charts small">${charts}</div>`;
}

/** Whether a run trains a vision tower alone: it counts patches, not tokens. */
export function isTower({ events }: Pick<ReportedRun, 'events'>): boolean {
  return events.some(({ event }) => event === 'patches');
}

/** One line for each run. */
export function runTable(runs: readonly ReportedRun[]): Html {
  const head = ['run', 'stage', 'steps', 'loss, first', 'last', 'time', 'samples/s', 'tokens/s', 'data wait', 'memory'];
  const rows = runs.map((run): Fragment[] => {
    const steps = run.events.filter((event) => event.event === 'step');
    const losses = lossOf(stretchesOf([run])).flat();
    const peak = steps.reduce((most, { residentBytes = 0 }) => Math.max(most, residentBytes), 0);
    const wait =
      steps.reduce((sum, { dataWait, seconds }) => sum + dataWait * seconds, 0) / Math.max(run.seconds, 1e-9);
    const tokens = steps.reduce((sum, event) => sum + event.tokens, 0);
    return [
      run.name,
      run.stage,
      run.finished ? count(run.step) : `${count(run.step)} of ${count(run.steps)}, not finished`,
      fixed(losses[0]?.y),
      fixed(losses.at(-1)?.y),
      duration(run.seconds),
      short(run.samplesPerSecond),
      run.seconds > 0 ? short(tokens / run.seconds) : '-',
      steps.length > 0 ? percent(wait) : '-',
      peak > 0 ? `${(peak / GIB).toFixed(2)} GiB` : '-',
    ];
  });
  const counted = runs.some(isTower)
    ? 'Tokens are those that are trained on; of a vision tower they are patches of images.'
    : 'Tokens are those that are trained on: answers, not questions or images.';
  const note = `${counted} Memory is the most that the process held in main memory.`;
  return table({ caption: 'Runs', head, rows, texts: 2, note, quiet: true });
}

function lossOf(stretches: readonly Stretch[]): Segment[] {
  return stepSeries(stretches, ({ loss }) => loss);
}

function taskLoss(stretches: readonly Stretch[], task: string): Segment[] {
  return stepSeries(stretches, ({ tasks }) => {
    const own = Object.hasOwn(tasks, task) ? tasks[task] : undefined;
    return own !== undefined && own.tokens > 0 ? own.loss : undefined;
  });
}

/** Decades where a loss falls far and never to 0, else from 0 on. */
function scaleOf(lines: readonly Line[]): { log: boolean; zero: boolean } {
  let [low, high] = [Number.POSITIVE_INFINITY, 0];
  for (const { segments } of lines)
    for (const segment of segments) for (const { y } of segment) [low, high] = [Math.min(low, y), Math.max(high, y)];
  const log = low > 0 && high > WIDE * low;
  return { log, zero: !log };
}

/** `stage1: 6.14 to 0.485` for every line: its first and its last value. */
function describe(lines: readonly Line[]): string {
  const told = lines.map(({ name, segments }) => {
    const points = segments.flat();
    const [first, last] = [points[0], points.at(-1)];
    return first === undefined || last === undefined
      ? `${name}: no values`
      : `${name}: ${short(first.y)} to ${short(last.y)}`;
  });
  return `Line chart over steps. ${told.join('; ')}.`;
}

function lossChart(stretches: readonly Stretch[]): Html {
  const line: Line = { name: 'loss', look: lookOf(0), segments: lossOf(stretches), raw: true };
  const chart = lineChart({
    ...scaleOf([line]),
    lines: [line],
    stretches,
    size: 'wide',
    description: describe([line]),
  });
  const unit = stretches.some(isTower) ? '' : 'nats a token; ';
  return figure({ title: 'Loss, all tasks', note: `${unit}pale: means of few steps`, chart });
}

function rateChart(stretches: readonly Stretch[]): Html {
  const line: Line = { name: 'learning rate', look: lookOf(0), segments: stepSeries(stretches, ({ lr }) => lr) };
  const chart = lineChart({
    lines: [line],
    stretches,
    size: 'wide',
    zero: true,
    smooth: 0,
    description: describe([line]),
  });
  return figure({ title: 'Learning rate', chart });
}

function taskLosses(stretches: readonly Stretch[]): Html {
  const charts = tasksOf(stretches).map((task) => {
    const line: Line = { name: task, look: lookOf(0), segments: taskLoss(stretches, task), raw: true };
    const end = line.segments.findLast((segment) => segment.length > 0) ?? [];
    const last = meanOf(end.slice(-Math.ceil(end.length * END)));
    const chart = lineChart({
      ...scaleOf([line]),
      lines: [line],
      stretches,
      size: 'small',
      description: describe([line]),
    });
    return figure({ title: task, note: `ends at ${fixed(last)}`, chart });
  });
  return html`<h3>Loss by task</h3><div class="charts small">${charts}</div>`;
}

interface Resource {
  title: string;
  note: string;
  of: (event: StepEvent) => number | undefined;
  format?: (value: number) => string;
}

const RESOURCES: readonly Resource[] = [
  { title: 'Samples a second', note: '', of: ({ samplesPerSecond }) => samplesPerSecond },
  { title: 'Tokens a second', note: 'trained on', of: ({ tokens, seconds }) => tokens / seconds },
  {
    title: 'Waiting for data',
    note: '',
    of: ({ dataWait }) => dataWait,
    format: (value) => `${Number((100 * value).toFixed(1))} %`,
  },
  {
    title: 'Main memory',
    note: 'GiB',
    of: ({ residentBytes }) => (residentBytes === undefined ? undefined : residentBytes / GIB),
  },
  { title: 'Norm of gradients', note: '', of: ({ gradNorm }) => gradNorm },
];

function resourceCharts(stretches: readonly Stretch[]): Html[] {
  return RESOURCES.flatMap(({ title, note, of, format }) => {
    const line: Line = { name: title, look: lookOf(0), segments: stepSeries(stretches, of), raw: true };
    if (line.segments.every((segment) => segment.length === 0)) return [];
    const mean = meanOf(line.segments.flat());
    const description = `${describe([line])} Mean ${(format ?? short)(mean)}.`;
    const chart = lineChart({
      lines: [line],
      stretches,
      size: 'small',
      zero: true,
      description,
      ...(format && { format }),
    });
    return figure({ title, note: [note, `mean ${(format ?? short)(mean)}`].filter(Boolean).join('; '), chart });
  });
}

/** Figures that were asked while a run trained. */
function examCharts(stretches: readonly Stretch[]): Html | undefined {
  const names = new Set<string>();
  const values = stretches.map(({ offset, events }) =>
    events.flatMap((event) => {
      const figures = examined(event);
      for (const name of Object.keys(figures)) names.add(name);
      return Object.keys(figures).length === 0 ? [] : [{ x: offset + event.step, figures }];
    }),
  );
  if (names.size === 0) return undefined;
  const charts = [...names].map((name) => {
    const segments = values.map((points) =>
      points.flatMap(({ x, figures }) => (figures[name] === undefined ? [] : [{ x, y: figures[name] }])),
    );
    const line: Line = { name, look: lookOf(0), segments };
    const chart = lineChart({
      lines: [line],
      stretches,
      size: 'small',
      zero: true,
      smooth: 0,
      description: describe([line]),
    });
    return figure({ title: name, note: `last ${fixed(segments.flat().at(-1)?.y)}`, chart });
  });
  return html`<h3>Figures during training</h3><div class="charts small">${charts}</div>`;
}

/** Main figures of an event: tasks, not their details; or those of a vision tower. */
function examined(event: ReportedRun['events'][number]): Record<string, number> {
  if (event.event === 'patches') {
    const { foreground, all, boxOverlap } = event;
    return { 'patches of objects right': foreground, 'all patches right': all, 'overlap of boxes': boxOverlap };
  }
  if (event.event !== 'evaluation') return {};
  const tasks = Object.entries(event.figures).filter(([name]) => !name.includes('.'));
  return Object.fromEntries(tasks.map(([name, { value }]) => [name, value]));
}
