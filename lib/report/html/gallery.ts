/** Held-out scenes: what was asked, what is right, what was answered, and the boxes of both on the picture. */

import { boxesSvg, type DrawnBox } from '../box-drawing.ts';
import { fixed } from './format.ts';
import { type Html, html, markupOf, plainText, trusted } from './markup.ts';
import type { Gallery, ShownAnswer, ShownImage, ShownQuestion, ShownScene } from './report.ts';

/** Size of a picture's longer side, for which lines and letters are drawn. */
const SIDE = 260;
/** True boxes are white and broken, so that shape tells them from answered ones on any picture. */
const TRUE_COLOUR = '#ffffff';

/** The gallery; each picture is embedded once and shown for every question about boxes. */
export function gallerySection({ answeredBy, scenes, notes }: Gallery): Html {
  const last = answeredBy.at(-1) ?? '';
  return html`<section id="gallery"><h2>Held-out scenes</h2>
<p>The first ${scenes.length} images of the evaluation in its random order; none was chosen. Broken white boxes are true, full coloured boxes with labels are what <strong>${last}</strong> answered.</p>
${notes.map((note) => html`<p class="note">${note}</p>`)}
<div class="scenes">${scenes.map((scene, place) => sceneCard(scene, { place, answeredBy }))}</div></section>`;
}

interface Place {
  place: number;
  answeredBy: readonly string[];
}

function sceneCard({ id, source, image, questions }: ShownScene, { place, answeredBy }: Place): Html {
  const pictured = questions.filter(hasBoxes);
  const worded = questions.filter((question) => !hasBoxes(question));
  const symbol = `image-${place + 1}`;
  return html`<article class="scene"><h3>${id} <span class="note">${source}</span></h3>
${image !== undefined && defined(image, symbol)}
<div class="pictures">${
    pictured.length === 0 && image !== undefined
      ? html`<figure>${picture({ image, symbol, boxes: [], description: `Image of ${id}` })}</figure>`
      : pictured.map((question) => boxFigure(question, { image, symbol }))
  }</div>
${worded.length > 0 && html`<ul class="sayings">${worded.map(saying)}</ul>`}
${answerTable(questions, answeredBy)}</article>`;
}

function hasBoxes({ truth, answers }: ShownQuestion): boolean {
  return truth.length > 0 || (answers.at(-1)?.boxes.length ?? 0) > 0;
}

/** A question without the identifier of its task, which stands beside it. */
function bare(question: string): string {
  return question.replace(/^\[\w+\]\s*/, '');
}

/** What the last run answered in words. */
function saying({ task, question, reference, answers }: ShownQuestion): Html {
  const answer = answers.at(-1);
  const wanted = answer?.score === undefined ? 'reference' : answer.score < 1 && 'right';
  const right = wanted !== false && html` <span class="note">${wanted}: <bdi>${reference}</bdi></span>`;
  return html`<li><b>${task}</b> <span class="note"><bdi>${bare(question)}</bdi></span><br>${answerCell(answer)}${right}</li>`;
}

/** The picture as something to be shown several times. */
function defined({ uri, width, height }: ShownImage, id: string): Html {
  return html`<svg class="definitions" width="0" height="0" aria-hidden="true"><symbol id="${id}" viewBox="0 0 ${width} ${height}"><image href="${uri}" width="${width}" height="${height}"/></symbol></svg>`;
}

interface Shown {
  image: ShownImage | undefined;
  symbol: string;
}

function boxFigure(question: ShownQuestion, { image, symbol }: Shown): Html {
  const answer = question.answers.at(-1);
  const boxes: DrawnBox[] = [
    ...question.truth.map(({ box }) => ({ box, colour: TRUE_COLOUR, dashed: true })),
    ...(answer?.boxes ?? []).map(({ name, box }) => ({ box, label: plainText(name) || 'answer' })),
  ];
  const description = `Boxes for: ${question.question} ${counted(question.truth.length)} true, ${counted(answer?.boxes.length ?? 0)} answered.`;
  return html`<figure>${picture({ image, symbol, boxes, description })}<figcaption><b>${question.task}</b> ${verdict(answer)}<br><span class="note"><bdi>${bare(question.question)}</bdi></span></figcaption></figure>`;
}

function counted(boxes: number): string {
  return boxes === 1 ? '1 box' : `${boxes} boxes`;
}

/** The picture, or grey where it cannot be had, with boxes over it. */
function picture(request: Shown & { boxes: readonly DrawnBox[]; description: string }): Html {
  const { image, symbol, boxes, description } = request;
  const { width: wide, height: high } = image ?? { width: 1, height: 1 };
  const scale = SIDE / Math.max(wide, high);
  const [width, height] = [Math.round(wide * scale), Math.round(high * scale)];
  const below =
    image === undefined
      ? html`<rect width="${width}" height="${height}" fill="#808080"/>`
      : html`<use href="#${symbol}" width="${width}" height="${height}"/>`;
  const drawn = boxes.length === 0 ? '' : trusted(boxesSvg({ width, height, boxes, fontSize: 13 }));
  return html`<svg class="picture" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${description}">${below}${drawn}</svg>`;
}

function answerTable(questions: readonly ShownQuestion[], answeredBy: readonly string[]): Html {
  const heads = ['question', 'right', ...answeredBy].map((name) => html`<th scope="col">${name}</th>`);
  const rows = questions.map(
    ({ task, question, reference, answers }) =>
      html`<tr><th scope="row"><b>${task}</b> <bdi>${bare(question)}</bdi></th><td><bdi>${reference}</bdi></td>${answeredBy.map(
        (_, place) => html`<td>${answerCell(answers[place])}</td>`,
      )}</tr>\n`,
  );
  return html`<details><summary>${answeredBy.length > 1 ? 'Answers of every run' : 'Answers in full'}</summary><div class="frame" role="region" aria-label="Answers of every run" tabindex="0"><table class="answers"><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></div></details>`;
}

function answerCell(answer: ShownAnswer | undefined): Html {
  if (answer === undefined) return html`<span class="note">not asked</span>`;
  return html`<bdi>${answer.text === '' ? html`<span class="note">nothing</span>` : answer.text}</bdi> ${verdict(answer)}`;
}

/** Right, wrong or in between: a sign, a word for those who do not see it, and what the score says. */
function verdict(answer: ShownAnswer | undefined): Html | undefined {
  if (answer?.score === undefined) return undefined;
  const { score, note } = answer;
  const [kind, sign, word] =
    score >= 1 ? ['right', '✓', 'right'] : score > 0 ? ['partly', '◐', 'partly right'] : ['wrong', '✗', 'wrong'];
  const told = note ?? (score > 0 && score < 1 ? fixed(score) : undefined);
  return html`<span class="verdict ${kind ?? ''}"><span aria-hidden="true">${sign ?? ''}</span><span class="hidden">${word ?? ''}</span>${told !== undefined && html` ${told}`}</span>`;
}

/** Bytes of the page that a scene takes. */
export function sceneBytes(scene: ShownScene, answeredBy: readonly string[]): number {
  return Buffer.byteLength(markupOf(sceneCard(scene, { place: 0, answeredBy })));
}
