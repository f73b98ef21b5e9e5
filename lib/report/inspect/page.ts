/** The page of an inspection: the mixture, how to read what follows, samples by row, and what could not be used. */

import { documentText } from '../html/document.ts';
import { count, percent, short } from '../html/format.ts';
import { type Fragment, type Html, html } from '../html/markup.ts';
import { table } from '../html/table.ts';
import type { InspectedLine, InspectedRow, Inspection } from './inspection.ts';
import { rowFigure } from './row-figure.ts';
import { pictureDefinitions, sampleCard } from './sample-card.ts';
import { INSPECT_STYLE } from './style.ts';
import { tokenChips } from './tokens.ts';

/** The page as text. */
export function inspectionHtml(inspection: Inspection): string {
  const title = `Training data of ${inspection.run.name}`;
  const body = html`${header(title, inspection)}
<main>
${notesSection(inspection.notes)}
${mixtureSection(inspection)}
${keySection(inspection)}
${samplesSection(inspection)}
${unusedSection(inspection)}
</main>`;
  return documentText({ title, body, style: INSPECT_STYLE });
}

function header(title: string, { run, settings, steps, batch, rows }: Inspection): Html {
  const shown = rows.reduce((sum, { samples }) => sum + samples.length, 0);
  const { imageSize, transform, imageTokens, maxTokens, rowTokens, vocabulary, weighting } = settings;
  const facts: [string, string][] = [
    ['run file', run.file],
    ['stage', run.stage],
    ['samples shown', `${count(shown)} of ${count(batch.samples)} read`],
    [steps.length === 1 ? 'step' : 'steps', stepsText(steps)],
    ['images', `${imageSize} × ${imageSize} by ${transform}, ${count(imageTokens)} tokens each`],
    ['vocabulary', `${count(vocabulary)} pieces`],
    ['longest example', `${count(maxTokens)} tokens`],
    [
      'rows',
      `${rowTokens === undefined ? 'one example each, padded to the longest' : `packed up to ${count(rowTokens)} tokens`}, ${percent(batch.fill)} full`,
    ],
    ['loss', WEIGHTINGS[weighting] ?? weighting],
  ];
  const parts = ['mixture', 'key', 'samples', 'unused'] as const;
  const names = { mixture: 'Mixture', key: 'How to read', samples: 'Samples', unused: 'Not used' };
  return html`<header><h1>${title}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<nav aria-label="Parts of this page"><ul>${parts.map((part) => html`<li><a href="#${part}">${names[part]}</a></li>`)}</ul></nav></header>`;
}

const WEIGHTINGS: Readonly<Record<string, string>> = {
  token: 'every trained token counts 1',
  'answer-root': 'an answer of n trained tokens counts √n (answer-root)',
};

/** Steps that are named one by one. */
const NAMED_STEPS = 6;

function stepsText(steps: readonly number[]): string {
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  if (steps.length === 1) return count(first);
  if (last - first + 1 === steps.length) return `${count(first)} to ${count(last)}`;
  if (steps.length <= NAMED_STEPS) return steps.map(count).join(', ');
  return `${count(steps.length)} between ${count(first)} and ${count(last)}`;
}

function notesSection(notes: readonly string[]): Html | undefined {
  if (notes.length === 0) return undefined;
  return html`<ul class="warnings">${notes.map((note) => html`<li>${note}</li>`)}</ul>`;
}

function mixtureSection({ lines, steps }: Inspection): Html {
  const most = Math.max(...lines.map(({ share }) => share));
  const trained = lines.reduce((sum, { drawn }) => sum + drawn.supervised, 0) || 1;
  const only = lines.every(({ shown }) => shown);
  const each = (total: number, { drawn }: InspectedLine): string =>
    drawn.samples === 0 ? '-' : short(total / drawn.samples);
  const rows = lines.map((line): Fragment[] => [
    line.place,
    html`${line.source}${!only && line.shown && html` <small>shown below</small>`}`,
    taskText(line),
    html`<span class="share"><span class="bar" style="width:${((5 * line.share) / most).toFixed(2)}rem"></span>${percent(line.share)}</span>`,
    count(line.samples),
    short(line.epochs),
    count(line.drawn.samples),
    each(line.drawn.tokens, line),
    each(line.drawn.supervised, line),
    percent(line.drawn.supervised / trained),
  ]);
  const head = [
    '#',
    'source',
    'task',
    'share of the run',
    'samples',
    'epochs',
    'drawn here',
    'tokens each',
    'trained each',
    'of trained tokens',
  ];
  const read = steps.length === 1 ? 'the step that was read' : `the ${count(steps.length)} steps that were read`;
  return html`<section id="mixture"><h2>Mixture</h2>
<p>What the whole run draws, and on the right what ${read} ${steps.length === 1 ? 'holds' : 'hold'}. The loss is a mean over trained tokens, so sources with long answers weigh more than their share.</p>
${table({ caption: 'Lines of the mixture', quiet: true, head, rows, texts: 4 })}</section>`;
}

/** The task of a line; where its samples have several, those that were drawn. */
function taskText({ task, drawn }: InspectedLine): Fragment {
  const own = Object.entries(drawn.tasks);
  if (own.length === 0) return task;
  if (own.length === 1) return own[0]?.[0];
  return own.map(([name, samples]) => `${name} ${samples}`).join(', ');
}

/** What each look means, shown with the looks themselves. */
function keySection({ settings }: Inspection): Html {
  const weighted = settings.weighting !== 'token';
  const entries: [Html, string][] = [
    [
      tokenChips([{ kind: 'text', id: 3203, piece: '▁dog', supervised: false }]),
      'A token: its piece, where ▁ is a space, and its id. It is read, not trained.',
    ],
    [
      tokenChips([{ kind: 'text', id: 3203, piece: '▁dog', supervised: true, ...(weighted && { weight: 0.5 }) }]),
      `Bold over a thick line: a trained token. The model learns to predict it from what stands before it.${weighted ? ' Behind × how much each counts in the loss.' : ''}`,
    ],
    [
      tokenChips([{ kind: 'special', id: 1, piece: '<s>', supervised: false }]),
      'Broken frame: a special token, not these letters.',
    ],
    [
      tokenChips([{ kind: 'image', slots: settings.imageTokens }]),
      'Hatched: places that the features of the image take, where the prompt says <ImageHere>.',
    ],
    [
      tokenChips([
        { kind: 'byte', id: 197, piece: '<0xC2>', bytes: 'C2', supervised: false },
        { kind: 'byte', id: 180, piece: '<0xB1>', bytes: 'B1', ends: '±', supervised: false },
      ]),
      'Bytes of a character that has no piece; it stands behind its last byte.',
    ],
  ];
  return html`<section id="key"><h2>How to read</h2>
<ul class="key">${entries.map(([look, text]) => html`<li><div class="tokens">${look}</div><p>${text}</p></li>`)}</ul>
<p>On an image, boxes with full lines are answers and trained; boxes with broken lines stand in the question. They are drawn as the text has them, in hundredths of the image.</p>
${
  settings.rowTokens !== undefined &&
  html`<p>In the strip of a row: ${swatch('image')} image, ${swatch('prompt')} text that is read, ${swatch('supervised')} trained, ${swatch('empty')} free.</p>`
}</section>`;
}

function swatch(kind: string): Html {
  return html`<span class="swatch strip" aria-hidden="true"><span class="parts"><i class="${kind}" style="flex-grow:1"></i></span></span>`;
}

function samplesSection(inspection: Inspection): Html {
  const { rows, pictures } = inspection;
  return html`<section id="samples"><h2>Samples</h2>
${pictureDefinitions(pictures)}
${rows.map((row, place) => html`${rowHead(row, { place, before: rows[place - 1] })}${row.samples.map((sample) => sampleCard(sample, inspection))}`)}</section>`;
}

/** What stands above the samples of a row: the row where examples share it, else its step where that is another one. */
function rowHead(
  row: InspectedRow,
  { place, before }: { place: number; before: InspectedRow | undefined },
): Html | undefined {
  const { packed, step } = row;
  if (packed !== undefined) return rowFigure({ ...row, packed }, { open: place === 0 });
  return before?.step === step ? undefined : html`<h3>Step ${count(step)}</h3>`;
}

/** Examples of a reason that are named. */
const NAMED = 5;

function unusedSection({ replaced, leftOut }: Inspection): Html {
  const none = replaced.length === 0 && leftOut.length === 0;
  return html`<section id="unused"><h2>Not used</h2>
${none && html`<p>The sources left nothing out, and every sample of these steps could be used.</p>`}
${
  leftOut.length > 0 &&
  table({
    caption: 'Left out when the sources were opened',
    head: ['source', 'reason', 'first ones', 'rows'],
    rows: leftOut.map(({ source, cause, where, leftOut: rows }) => [source, cause, whereText(where), count(rows)]),
    texts: 3,
  })
}
${
  replaced.length > 0 &&
  table({
    caption: 'Replaced in these steps by another sample of the same source',
    head: ['source', 'cause', 'where', 'sample', 'step'],
    rows: replaced.map(({ source, cause, code, where, index, step }) => [
      source,
      html`${cause} <small>${code}</small>`,
      where,
      count(index),
      count(step),
    ]),
    texts: 3,
  })
}</section>`;
}

function whereText(where: readonly string[]): string {
  const more = where.length > NAMED ? ` and ${where.length - NAMED} more` : '';
  return `${where.slice(0, NAMED).join(', ')}${more}`;
}
