/** What the runs reached on held-out questions: a chart of intervals, and the table behind it. */

import * as Plot from '@observablehq/plot';
import { drawChart, figure, type Look, lookOf } from './chart.ts';
import { fixed, tickText } from './format.ts';
import { type Fragment, type Html, html, plainText } from './markup.ts';
import { CONTROLS, type Control, type Estimate, type Figures, type ReportedChain, type ReportedRun } from './report.ts';
import { table } from './table.ts';

/** Figures of one who answered: a run, or a control. */
export interface Column {
  readonly name: string;
  readonly figures: Figures;
  readonly look: Look;
  readonly control?: Control | undefined;
}

/** What the figure of each task is. */
const MEANING: Readonly<Record<string, string>> = {
  refer: 'share of boxes with IoU of at least 0.5',
  identify: 'share of right names',
  vqa: 'share of right answers, mean over types of question',
  detection: 'F1 over objects, IoU of at least 0.5',
  grounding: 'F1 over objects, IoU of at least 0.5',
  caption: 'F1 of the objects that are named',
};

const CONTROL_MEANING: Readonly<Record<Control, string>> = {
  chance: 'the best constant answer to these questions',
  untrained: 'the weights that the first run began with',
  shuffled: 'the last run, shown another scene’s image',
};

const CONTROL_LOOKS: Readonly<Record<Control, Look>> = {
  chance: { colour: 'var(--muted)', symbol: 'times', dash: 'none' },
  untrained: { colour: 'var(--muted)', symbol: 'plus', dash: 'none' },
  shuffled: { colour: 'var(--muted)', symbol: 'asterisk', dash: 'none' },
};

/**
 * The columns of one chain: its runs in order, then the controls. Chance and shuffled images are those of the last run that has them,
 * untrained weights those of a run that started from no other.
 */
export function chainColumns({ runs }: ReportedChain): Column[] {
  const asked = runs.flatMap((run, place): Column[] => {
    const figures = run.evaluation?.model;
    return figures === undefined ? [] : [{ name: run.name, figures, look: lookOf(place) }];
  });
  const controls = CONTROLS.flatMap((control): Column[] => {
    const figures =
      control === 'untrained'
        ? runs[0]?.evaluation?.controls.untrained
        : runs.findLast(({ evaluation }) => evaluation?.controls[control])?.evaluation?.controls[control];
    return figures === undefined ? [] : [{ name: control, figures, look: CONTROL_LOOKS[control], control }];
  });
  return [...asked, ...controls];
}

/** The last run of every chain. */
export function comparedColumns(chains: readonly ReportedChain[]): Column[] {
  return chains.flatMap(({ label, runs }, place): Column[] => {
    const figures = runs.findLast(({ evaluation }) => evaluation)?.evaluation?.model;
    return figures === undefined ? [] : [{ name: label, figures, look: lookOf(place) }];
  });
}

/** Chart, table and details of figures. */
export function resultsSection(
  columns: readonly Column[],
  { notes, tower }: { notes: readonly string[]; tower: boolean },
): Html {
  const names = [...new Set(columns.flatMap(({ figures }) => Object.keys(figures)))];
  const tasks = names.filter((name) => !name.includes('.'));
  if (tasks.length === 0) {
    const why = tower
      ? html`A vision tower answers no questions; what it reaches on held-out images stands at the end of <a href="#training">Training</a>.`
      : html`No run was evaluated yet; <code>tristage eval --checkpoint RUN</code> asks it held-out questions.`;
    return html`<section id="results"><h2>Results</h2><p>${why}</p></section>`;
  }
  const details = names.filter((name) => name.includes('.'));
  const controls = columns.flatMap(({ control }) => (control === undefined ? [] : [control]));
  return html`<section id="results"><h2>Results</h2>
<p>Figures on questions that were not trained on, each with its 95 % interval.${controls.map((name) => html` <em>${name}</em>: ${CONTROL_MEANING[name]}.`)}</p>
${notes.map((note) => html`<p class="note">${note}</p>`)}
<div class="charts small">${tasks.map((task) => intervalChart(columns, task))}</div>
${figureTable('Figures by task', columns, tasks)}
${details.length > 0 && html`<details><summary>Details of the figures</summary>${figureTable('Details of the figures', columns, details)}</details>`}</section>`;
}

/** A dot on its interval for everyone who answered, a chart for each task. */
function intervalChart(columns: readonly Column[], task: string): Html {
  const asked = columns.flatMap((column) => {
    const own = estimateOf(column.figures, task);
    return own === undefined ? [] : [{ ...column, ...own, label: plainText(column.name) }];
  });
  const marks = asked.flatMap((one) => {
    const { look, control, label } = one;
    const paint = control === undefined ? { fill: look.colour } : { stroke: look.colour, strokeWidth: 1.8 };
    const title = () => plainText(`${task}, ${label}: ${fixed(one.value)} (${interval(one)}), n ${one.n}`);
    const width = control === undefined ? 2.5 : 1;
    return [
      Plot.ruleY([one], { y: 'label', x1: 'low', x2: 'high', stroke: look.colour, strokeWidth: width }),
      Plot.dot([one], { y: 'label', x: 'value', symbol: look.symbol, r: 4.5, title, ...paint }),
    ];
  });
  const chart = drawChart({
    description: `Dots with intervals on an axis from 0 to 1. ${asked.map(({ label, value }) => `${label}: ${fixed(value)}`).join(', ')}.`,
    width: 340,
    height: 19 * asked.length + 34,
    options: {
      marginLeft: 96,
      marginRight: 14,
      marginTop: 4,
      marginBottom: 28,
      x: { domain: [0, 1], label: null, grid: true, ticks: 5, tickFormat: tickText },
      y: {
        type: 'band',
        domain: [...new Set(asked.map(({ label }) => label))],
        label: null,
        tickSize: 0,
        tickFormat: shortened,
      },
      marks: [Plot.ruleX([0], { strokeOpacity: 0.4 }), ...marks],
    },
  });
  const last = asked.findLast(({ control }) => control === undefined);
  return figure({ title: task, note: last === undefined ? '' : fixed(last.value), chart });
}

/** As much of a name as stands left of the axis. */
function shortened(name: string): string {
  const most = 14;
  return name.length > most ? `…${name.slice(1 - most)}` : name;
}

function figureTable(caption: string, columns: readonly Column[], names: readonly string[]): Html {
  const head = columns.map(({ name, figures }): Fragment => {
    const n = commonCount(figures, names);
    return html`${name}${n !== undefined && html`<small>n ${n}</small>`}`;
  });
  const rows = names.map((name): Fragment[] => [
    html`${name}${MEANING[name] !== undefined && html`<small>${MEANING[name]}</small>`}`,
    ...columns.map(({ figures }) => {
      const own = estimateOf(figures, name);
      if (own === undefined) return '-';
      const n = commonCount(figures, names) === undefined && html`<br>n ${own.n}`;
      return html`${fixed(own.value)}<small>${interval(own)}${n}</small>`;
    }),
  ]);
  return table({ caption, head: ['figure', ...head], rows, quiet: true });
}

/** The number of questions where it is the same for all figures. */
function commonCount(figures: Figures, names: readonly string[]): number | undefined {
  const counts = new Set(names.flatMap((name) => estimateOf(figures, name)?.n ?? []));
  return counts.size === 1 ? [...counts][0] : undefined;
}

function estimateOf(figures: Figures, name: string): Estimate | undefined {
  return Object.hasOwn(figures, name) ? figures[name] : undefined;
}

function interval({ low, high }: Estimate): string {
  return `${fixed(low)}–${fixed(high)}`;
}

/** A sentence for each control from which intervals do not tell figures of the last run apart. */
export function weakFigures(columns: readonly Column[]): string[] {
  const model = columns.findLast(({ control }) => control === undefined);
  return columns.flatMap(({ name: control, figures, control: isControl }) => {
    if (model === undefined || isControl === undefined) return [];
    const weak = Object.entries(model.figures).flatMap(([task, own]) => {
      const other = estimateOf(figures, task);
      const apart = other === undefined || own.low > other.high;
      return apart || task.includes('.') ? [] : [`${task} (${fixed(own.value)} against ${fixed(other.value)})`];
    });
    if (weak.length === 0) return [];
    return [`${model.name}: not clearly above ${control}, as the intervals show: ${weak.join(', ')}`];
  });
}

/** Names of the runs whose figures come from questions during training. */
export function examinedOnly(runs: readonly ReportedRun[]): string[] {
  return runs.flatMap(({ name, evaluation }) => (evaluation?.origin === 'training' ? [name] : []));
}
