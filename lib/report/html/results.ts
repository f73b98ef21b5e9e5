/** What the runs reached on held-out questions: a chart of intervals, and the table behind it. */

import * as Plot from '@observablehq/plot';
import { drawChart, figure, type Look, legend, lookOf } from './chart.ts';
import { fixed } from './format.ts';
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
export function resultsSection(columns: readonly Column[], notes: readonly string[] = []): Html {
  const names = [...new Set(columns.flatMap(({ figures }) => Object.keys(figures)))];
  const tasks = names.filter((name) => !name.includes('.'));
  if (tasks.length === 0) {
    return html`<section id="results"><h2>Results</h2><p>No run was evaluated yet; <code>tristage eval --checkpoint RUN</code> asks it held-out questions.</p></section>`;
  }
  const details = names.filter((name) => name.includes('.'));
  const controls = columns.flatMap(({ control }) => (control === undefined ? [] : [control]));
  return html`<section id="results"><h2>Results</h2>
<p>Figures on questions that were not trained on, each with its 95 % interval.${controls.map((name) => html` <em>${name}</em>: ${CONTROL_MEANING[name]}.`)}</p>
${notes.map((note) => html`<p class="note">${note}</p>`)}
${figure({ title: 'Figures by task', note: 'lines: 95 % intervals', chart: intervalChart(columns, tasks), legend: legend(columns) })}
${figureTable('Figures by task', columns, tasks)}
${details.length > 0 && html`<details><summary>Details of the figures</summary>${figureTable('Details of the figures', columns, details)}</details>`}</section>`;
}

/** A dot for each figure on its interval; those of one task below each other. */
function intervalChart(columns: readonly Column[], tasks: readonly string[]): Html {
  const gap = 11;
  const row = columns.length * gap + 16;
  const marks = columns.flatMap(({ name, figures, look, control }, place) => {
    const data = tasks.flatMap((task) => {
      const own = estimateOf(figures, task);
      return own === undefined ? [] : [{ task: plainText(task), ...own }];
    });
    const dy = (place - (columns.length - 1) / 2) * gap;
    const title = (one: Estimate & { task: string }) =>
      plainText(`${one.task}, ${name}: ${fixed(one.value)} (${interval(one)}), n ${one.n}`);
    const paint = control === undefined ? { fill: look.colour } : { stroke: look.colour, strokeWidth: 1.8 };
    return [
      Plot.ruleY(data, {
        y: 'task',
        x1: 'low',
        x2: 'high',
        dy,
        stroke: look.colour,
        strokeWidth: control === undefined ? 2 : 1,
      }),
      Plot.dot(data, { y: 'task', x: 'value', dy, symbol: look.symbol, r: 4, title, ...paint }),
    ];
  });
  return drawChart({
    description: `Dots with intervals on an axis from 0 to 1. ${columns.map((column) => describe(column, tasks)).join('; ')}. The table below holds every number.`,
    width: 700,
    height: row * tasks.length + 40,
    options: {
      marginLeft: 84,
      marginRight: 16,
      marginTop: 8,
      marginBottom: 28,
      x: { domain: [0, 1], label: null, grid: true, ticks: 5 },
      y: { type: 'band', domain: tasks.map(plainText), label: null, tickSize: 0, padding: 0 },
      marks: [Plot.ruleX([0], { strokeOpacity: 0.4 }), ...marks],
    },
  });
}

function describe({ name, figures }: Column, tasks: readonly string[]): string {
  const told = tasks.flatMap((task) => {
    const own = estimateOf(figures, task);
    return own === undefined ? [] : [`${task} ${fixed(own.value)}`];
  });
  return `${name}: ${told.join(', ')}`;
}

function figureTable(caption: string, columns: readonly Column[], names: readonly string[]): Html {
  const rows = names.map((name): Fragment[] => [
    html`${name}${MEANING[name] !== undefined && html`<small>${MEANING[name]}</small>`}`,
    ...columns.map(({ figures }) => {
      const own = estimateOf(figures, name);
      return own === undefined ? '-' : html`${fixed(own.value)}<small>${interval(own)}<br>n ${own.n}</small>`;
    }),
  ]);
  return table({ caption, head: ['figure', ...columns.map(({ name }) => name)], rows });
}

function estimateOf(figures: Figures, name: string): Estimate | undefined {
  return Object.hasOwn(figures, name) ? figures[name] : undefined;
}

function interval({ low, high }: Estimate): string {
  return `${fixed(low)}–${fixed(high)}`;
}

/** A sentence for each task of the last run of a chain that its intervals do not tell apart from a control. */
export function weakFigures(columns: readonly Column[]): string[] {
  const model = columns.findLast(({ control }) => control === undefined);
  if (model === undefined) return [];
  return columns.flatMap(({ name: control, figures, control: isControl }) =>
    isControl === undefined
      ? []
      : Object.entries(model.figures).flatMap(([task, own]) => {
          const other = estimateOf(figures, task);
          if (task.includes('.') || other === undefined || own.low > other.high) return [];
          return [
            `${model.name}: ${task} (${fixed(own.value)}) is not clearly above ${control} (${fixed(other.value)}); their intervals overlap`,
          ];
        }),
  );
}

/** Names of the runs whose figures come from questions during training. */
export function examinedOnly(runs: readonly ReportedRun[]): string[] {
  return runs.flatMap(({ name, evaluation }) => (evaluation?.origin === 'training' ? [name] : []));
}
