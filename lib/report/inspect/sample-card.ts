/** One sample: its image with the boxes that its text names, the text, and every token. */

import { boxesSvg } from '../box-drawing.ts';
import { count } from '../html/format.ts';
import { type Html, html, plainText, trusted } from '../html/markup.ts';
import type { InspectedPicture, InspectedSample, Inspection } from './inspection.ts';
import { tokenFrame } from './tokens.ts';

/** Size of a picture, for which lines and letters are drawn. */
const SIDE = 280;

/** The pictures of a page, each to be shown by several samples. */
export function pictureDefinitions(pictures: readonly InspectedPicture[]): Html {
  const symbols = pictures.map(
    ({ uri }, place) =>
      html`<symbol id="picture-${place}" viewBox="0 0 1 1"><image href="${uri}" width="1" height="1"/></symbol>`,
  );
  return html`<svg class="definitions" width="0" height="0" aria-hidden="true">${symbols}</svg>`;
}

/** The card of a sample. */
export function sampleCard(sample: InspectedSample, inspection: Inspection): Html {
  const { number, source, task, id, index, epoch, length, supervised } = sample;
  const again = epoch > 0 ? `, epoch ${epoch + 1}` : '';
  const notes = notesOf(sample, inspection);
  return html`<article class="sample${sample.picture === undefined ? ' text' : ''}" id="sample-${number}">
<header><h4>#${number} ${source}: ${task}</h4><span class="note">id ${id}, sample ${count(index)} of the source${again}; ${count(length)} tokens, ${count(supervised)} of them trained</span></header>
${pictureFigure(sample, inspection)}
<div class="words"><dl class="said">${sample.turns.map(({ prompt, answer }, turn) => {
    const which = sample.turns.length > 1 ? ` ${turn + 1}` : '';
    return html`<dt>prompt${which}</dt><dd><bdi>${prompt}</bdi></dd><dt>answer${which}, trained</dt><dd class="answer"><bdi>${answer}</bdi></dd>`;
  })}</dl>
${notes.length > 0 && html`<ul class="warnings">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
${tokenFrame(sample.tokens, `Tokens of sample ${number}`)}</div></article>
`;
}

function notesOf({ cut, notes }: InspectedSample, { settings }: Inspection): string[] {
  if (cut <= 0) return [...notes];
  return [
    `${count(cut)} tokens at its end are cut off, since an example may have ${count(settings.maxTokens)}.`,
    ...notes,
  ];
}

function pictureFigure(
  { picture, boxes, number }: InspectedSample,
  { pictures, settings }: Inspection,
): Html | undefined {
  const shown = picture === undefined ? undefined : pictures[picture];
  if (shown === undefined) return undefined;
  const drawn = boxes.map(({ box, phrase, in: side }) => ({
    box,
    label: plainText(phrase),
    dashed: side === 'question',
  }));
  const told = boxes.map(
    ({ phrase, in: side }) => `${phrase || 'a box'} (${side === 'question' ? 'asked' : 'answered'})`,
  );
  const label = `Image of sample ${number}${told.length === 0 ? '' : ` with ${told.join(', ')}`}`;
  const over = drawn.length > 0 && trusted(boxesSvg({ width: SIDE, height: SIDE, boxes: drawn, fontSize: 13 }));
  const { name, width, height } = shown;
  const size = settings.imageSize;
  return html`<figure><svg class="picture" viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label="${label}"><use href="#picture-${picture}" width="${SIDE}" height="${SIDE}"/>${over}</svg><figcaption>${width} × ${height}, seen as ${size} × ${size}<br>${name}</figcaption></figure>`;
}
