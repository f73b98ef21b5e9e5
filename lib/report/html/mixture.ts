/** What each run was trained on: shares that the rates planned, and those that came out. */

import * as Plot from '@observablehq/plot';
import { drawChart, figure, type Look, legend } from './chart.ts';
import { count, percent } from './format.ts';
import { type Fragment, type Html, html, plainText } from './markup.ts';
import type { MixtureLine, ReportedRun } from './report.ts';
import { table } from './table.ts';

const LOOKS = {
  planned: { colour: 'var(--muted)', symbol: 'plus', dash: 'none' },
  samples: { colour: 'var(--series-1)', symbol: 'circle', dash: 'none' },
  tokens: { colour: 'var(--series-2)', symbol: 'diamond', dash: 'none' },
} as const satisfies Readonly<Record<string, Look>>;

interface Row {
  label: string;
  /** Of the tasks of a line there is no plan. */
  planned?: number;
  samples: number;
  tokens: number;
}

/** A chart and a table for each run that has a mixture. */
export function mixtureSection(runs: readonly ReportedRun[]): Html | undefined {
  const mixed = runs.filter(({ mixture }) => mixture.length > 0);
  if (mixed.length === 0) return undefined;
  return html`<section id="mixture"><h2>Mixture</h2>
<p>Shares of what was drawn. Long answers take more of the tokens than of the samples, and the loss is a mean over tokens.</p>
${legend([
  { name: 'planned share of the samples', look: LOOKS.planned },
  { name: 'samples', look: LOOKS.samples },
  { name: 'tokens that are trained on', look: LOOKS.tokens },
])}
<div class="charts">${mixed.map(runChart)}</div>
<details><summary>Numbers</summary>${mixed.map(runNumbers)}</details></section>`;
}

/** A line of the mixture as people know it: its source, its task where the samples have no other, what else tells it from others. */
function labelOf({ source, task, part, tasks }: MixtureLine): string {
  const own = Object.keys(tasks);
  const label = own.length === 1 && own[0] === task ? `${source}: ${task}` : source;
  return part === undefined ? label : `${label}, ${part}`;
}

/** The lines of a mixture, each followed by its tasks where it has several. */
function rowsOf(mixture: readonly MixtureLine[]): Row[] {
  const all = mixture.reduce((sum, { tokens }) => sum + tokens, 0) || 1;
  const drawn = mixture.reduce((sum, { samples }) => sum + samples, 0) || 1;
  return mixture.flatMap((line, place) => {
    const twice = mixture.findIndex((other) => labelOf(other) === labelOf(line)) !== place;
    const label = twice ? `${labelOf(line)} (${place + 1})` : labelOf(line);
    const { planned, sampleShare, tokenShare, tasks } = line;
    const below = Object.entries(tasks).map(([task, { samples, tokens }]) => {
      return { label: `${label}: ${task}`, samples: samples / drawn, tokens: tokens / all };
    });
    // The only line of a mixture has all of it; its tasks alone are worth a row.
    if (mixture.length === 1 && below.length > 1)
      return below.map((row, one) => ({ ...row, label: Object.keys(tasks)[one] ?? '' }));
    return [{ label, planned, samples: sampleShare, tokens: tokenShare }, ...(below.length > 1 ? below : [])];
  });
}

function runChart({ name, mixture }: ReportedRun): Html {
  const rows = rowsOf(mixture).map((row) => ({ ...row, label: plainText(row.label) }));
  const most = Math.max(...rows.flatMap(({ planned = 0, samples, tokens }) => [planned, samples, tokens]), 0.01);
  const dots = (['planned', 'samples', 'tokens'] as const).map((kind) => {
    const { colour, symbol } = LOOKS[kind];
    const data = rows.flatMap((row) => (row[kind] === undefined ? [] : [{ label: row.label, share: row[kind] }]));
    return Plot.dot(data, {
      y: 'label',
      x: 'share',
      symbol,
      r: 4.5,
      title: ({ label, share }: (typeof data)[number]) => `${label}, ${kind}: ${percent(share)}`,
      ...(kind === 'planned' ? { stroke: colour, strokeWidth: 2 } : { fill: colour }),
    });
  });
  const told = rows.map(({ label, planned, samples, tokens }) => {
    const plan = planned === undefined ? '' : `planned ${percent(planned)}, `;
    return `${label}: ${plan}samples ${percent(samples)}, tokens ${percent(tokens)}`;
  });
  const chart = drawChart({
    description: `Shares of the mixture. ${told.join('; ')}.`,
    width: 460,
    height: 22 * rows.length + 40,
    options: {
      marginLeft: 156,
      marginRight: 20,
      marginTop: 6,
      marginBottom: 28,
      x: {
        domain: [0, most],
        nice: true,
        label: null,
        grid: true,
        ticks: 5,
        tickFormat: (share: number) => `${Math.round(100 * share)} %`,
      },
      y: { type: 'band', domain: rows.map(({ label }) => label), label: null, tickSize: 0, tickFormat: shortened },
      marks: dots,
    },
  });
  const only = mixture.length === 1 ? mixture[0]?.source : undefined;
  return figure({ title: name, chart, ...(only !== undefined && { note: `all of it ${only}` }) });
}

/** As much of a label as stands left of the axis; the whole is in the table. */
function shortened(label: string): string {
  const most = 23;
  return label.length > most ? `${label.slice(0, 8)}…${label.slice(label.length - most + 9)}` : label;
}

function runNumbers({ name, mixture }: ReportedRun): Html {
  const rows = mixture.flatMap((line): Fragment[][] => [
    [
      labelOf(line),
      percent(line.planned),
      percent(line.sampleShare),
      percent(line.tokenShare),
      count(line.samples),
      count(line.tokens),
    ],
    ...Object.entries(line.tasks).map(([task, { samples, tokens }]): Fragment[] => {
      return [html`<span class="below">${task}</span>`, '', '', '', count(samples), count(tokens)];
    }),
  ]);
  const head = ['source', 'planned', 'of samples', 'of tokens', 'samples', 'tokens'];
  return table({ caption: `Mixture of ${name}`, head, rows });
}
