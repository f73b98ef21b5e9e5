/** The page of a report: one file that needs nothing else, no script, no fetch. */

import { documentText } from './document.ts';
import { count, duration } from './format.ts';
import { gallerySection, sceneBytes } from './gallery.ts';
import { type Html, html } from './markup.ts';
import { mixtureSection } from './mixture.ts';
import type { Gallery, Report, ReportedChain, ReportedRun } from './report.ts';
import { chainColumns, comparedColumns, examinedOnly, resultsSection, weakFigures } from './results.ts';
import { settingsSection } from './settings.ts';
import { comparedCharts, comparedTaskLosses, isTower, runTable, trainingSection } from './training.ts';

/** What the scenes of a page may take, so that it stays small enough to send. */
const MOST_SCENE_BYTES = 1_200_000;

/**
 * The page as text.
 * @param report one chain is shown in full, several are compared
 */
export function reportHtml(report: Report): string {
  const { chains } = report;
  const [first, ...others] = chains;
  if (first === undefined) throw new RangeError('a report needs at least one run');
  const gallery = report.gallery && fitting(report.gallery);
  const body = others.length === 0 ? chainBody(first, gallery) : comparisonBody(chains, gallery);
  const title = others.length === 0 ? titleOf(first) : `${chains.length} runs compared`;
  return documentText({ title, body });
}

/** Everything that a reader should know before believing the figures, each with the run that it is about. */
export function warningsOf(chains: readonly ReportedChain[]): string[] {
  return chains.flatMap((chain) => {
    const { label, runs } = chain;
    const told = runs.flatMap(({ name, warnings }) =>
      warnings.map((text) => (chains.length > 1 && runs.length === 1 ? text : `${name}: ${text}`)),
    );
    const all = [...told, ...weakFigures(chainColumns(chain))];
    return chains.length > 1 ? all.map((text) => `${label}: ${text}`) : all;
  });
}

/** The runs in order, under the name of the folder that holds them. */
function titleOf({ label, runs }: ReportedChain): string {
  const names = runs.map(({ name }) => name).join(' → ');
  return runs.at(-1)?.name === label ? names : `${label}: ${names}`;
}

function chainBody(chain: ReportedChain, gallery: Gallery | undefined): Html {
  const { runs } = chain;
  const columns = chainColumns(chain);
  const mixture = mixtureSection(runs);
  return html`${header({ title: titleOf(chain), runs, parts: ['results', 'warnings', 'training', mixture && 'mixture', gallery && 'gallery', 'configuration'] })}
<main>
${resultsSection(columns, { notes: trainingNotes(runs), tower: runs.every(isTower) })}
${warningsSection(warningsOf([chain]))}
${trainingSection(chain)}
${mixture}
${gallery && gallerySection(gallery)}
${settingsSection(
  runs.map((run) => ({ label: run.name, run })),
  { open: false },
)}
</main>`;
}

function comparisonBody(chains: readonly ReportedChain[], gallery: Gallery | undefined): Html {
  const runs = chains.flatMap((chain) => chain.runs);
  const last = chains.map(({ label, runs: own }) => ({ label, run: own.at(-1) as ReportedRun }));
  return html`${header({ title: `${chains.length} runs compared`, runs, parts: ['results', 'warnings', 'training', gallery && 'gallery', 'configuration'] })}
<main>
${resultsSection(comparedColumns(chains), { notes: [OVERLAP, ...trainingNotes(runs)], tower: runs.every(isTower) })}
${warningsSection(warningsOf(chains))}
<section id="training"><h2>Training</h2>
${runTable(chains.flatMap(({ label, runs: own }) => own.map((run) => ({ ...run, name: own.length > 1 ? `${label}: ${run.name}` : label }))))}
${comparedCharts(chains)}
<h3>Loss by task</h3>
${comparedTaskLosses(chains)}</section>
${gallery && gallerySection(gallery)}
${settingsSection(last, { open: true })}
</main>`;
}

const OVERLAP = 'Where the intervals of two runs overlap, their difference may be chance.';

function trainingNotes(runs: readonly ReportedRun[]): string[] {
  const names = examinedOnly(runs);
  return names.length === 0
    ? []
    : [`Of ${names.join(', ')} the figures come from questions during training; there are no controls.`];
}

const PARTS: Readonly<Record<string, string>> = {
  results: 'Results',
  warnings: 'Warnings',
  training: 'Training',
  mixture: 'Mixture',
  gallery: 'Held-out scenes',
  configuration: 'Configuration',
};

function header(parts: { title: string; runs: readonly ReportedRun[]; parts: readonly (string | undefined)[] }): Html {
  const { title, runs } = parts;
  const shown = parts.parts.filter((name) => name !== undefined);
  const seconds = runs.reduce((sum, run) => sum + run.seconds, 0);
  const steps = runs.reduce((sum, run) => sum + run.step, 0);
  const samples = runs.reduce((sum, run) => sum + run.mixture.reduce((own, line) => own + line.samples, 0), 0);
  const engines = [
    ...new Set(runs.flatMap(({ facts }) => facts.filter(([name]) => name === 'engine').map(([, value]) => value))),
  ];
  const open = runs.filter(({ finished }) => !finished);
  const facts: [string, string][] = [
    ['training', duration(seconds)],
    ['steps', count(steps)],
    ...(samples > 0 ? ([['samples', count(samples)]] as [string, string][]) : []),
    ...(engines.length > 0 ? ([['engine', engines.join('; ')]] as [string, string][]) : []),
    ['state', open.length === 0 ? 'finished' : `not finished: ${open.map(({ name }) => name).join(', ')}`],
  ];
  return html`<header><h1>${title}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<nav aria-label="Parts of this page"><ul>${shown.map((name) => html`<li><a href="#${name}">${PARTS[name] ?? name}</a></li>`)}</ul></nav></header>`;
}

function warningsSection(warnings: readonly string[]): Html {
  const content =
    warnings.length === 0
      ? html`<p>None.</p>`
      : html`<ul class="warnings">${warnings.map((text) => html`<li>${text}</li>`)}</ul>`;
  return html`<section id="warnings"><h2>Warnings</h2>${content}</section>`;
}

/** The gallery without the scenes for which the page has no room. */
function fitting(gallery: Gallery): Gallery {
  let bytes = 0;
  const scenes = gallery.scenes.filter((scene) => {
    bytes += sceneBytes(scene, gallery.answeredBy);
    return bytes <= MOST_SCENE_BYTES;
  });
  const left = gallery.scenes.length - scenes.length;
  return left === 0
    ? gallery
    : { ...gallery, scenes, notes: [...gallery.notes, `${left} more scenes are left out to keep this page small.`] };
}
