/** From drawn rows to what an inspection shows of them. */

import { type Box, iou } from '../../data/boxes.ts';
import { type EncodeOptions, encodeSample, promptTurns } from '../../data/encode.ts';
import { readImageSize } from '../../data/image-bytes.ts';
import type { LoadedBatch } from '../../data/loaded-batch.ts';
import { rowParts, rowSpans } from '../../data/row-spans.ts';
import { type Example, type ImageRef, nameOfImage, type Sample } from '../../data/sample.ts';
import { tokenPieces } from '../../data/token-pieces.ts';
import { boxesOfTurns, type NamedBox } from '../../data/turn-boxes.ts';
import type { InspectedPicture, InspectedRow, InspectedSample, ShownToken } from '../../report/inspect/inspection.ts';
import { pictureUri } from '../../report/picture-uri.ts';
import { answerWeights, type LossWeighting } from '../../train/loss.ts';
import type { Drawing, Want } from './draw.ts';

export interface ShowRequest {
  drawing: Pick<Drawing, 'sampleOf'>;
  wants: readonly Want[];
  encode: EncodeOptions;
  weighting: LossWeighting;
  /** Most tokens of a packed row. */
  room: number | undefined;
}

/** Rows that hold wanted samples, with their pictures. */
export interface Showcase {
  readonly rows: readonly InspectedRow[];
  readonly pictures: readonly InspectedPicture[];
  /** Takes over what is wanted of a step; steps come in ascending order. Nothing of the batch is kept. */
  add(step: number, batch: LoadedBatch): Promise<void>;
}

/** An empty showcase. */
export function openShowcase(request: ShowRequest): Showcase {
  const { wants, room } = request;
  const gallery = pictureShelf();
  const wanted = choice(wants);
  const rows: InspectedRow[] = [];
  let shownSoFar = 0;
  return {
    rows,
    pictures: gallery.pictures,
    async add(step, batch) {
      for (const [row, { examples, packed, length }] of rowsOf(batch).entries()) {
        const chosen = examples.filter(wanted);
        if (chosen.length === 0) continue;
        const numbers = new Map(chosen.map((example) => [example, ++shownSoFar]));
        const samples: InspectedSample[] = [];
        for (const [example, number] of numbers) {
          const picture = await gallery.add(example.images[0], batch);
          samples.push(await shownSample(example, { ...request, number, picture }));
        }
        const layout = packed && { room: room ?? length, spans: spansOf(packed, numbers), parts: rowParts(packed) };
        rows.push({ step, row, length, ...(layout && { packed: layout }), samples });
      }
      gallery.clear();
    },
  };
}

/** Takes examples in their order until every want is met. */
function choice(wants: readonly Want[]): (example: Example) => boolean {
  const open = wants.map((want) => ({ ...want }));
  return ({ line = 0 }) => {
    const want = open.find(({ lines, samples }) => samples > 0 && lines.includes(line));
    if (want !== undefined) want.samples -= 1;
    return want !== undefined;
  };
}

type PackedRow = NonNullable<LoadedBatch['packed']>[number];

interface BatchRow {
  examples: readonly Example[];
  length: number;
  packed?: PackedRow;
}

function rowsOf({ packed, examples }: LoadedBatch): BatchRow[] {
  if (packed === undefined)
    return examples.map((example) => ({ examples: [example], length: example.tokenIds.length }));
  return packed.map((row) => ({ examples: row.examples, length: row.tokenIds.length, packed: row }));
}

function spansOf(row: PackedRow, numbers: ReadonlyMap<Example, number>) {
  return rowSpans(row).map(({ example, ...span }) => {
    const sample = example && numbers.get(example);
    return {
      kind: example === undefined ? ('prefix' as const) : ('branch' as const),
      ...span,
      ...(example && { task: example.task, id: example.id }),
      ...(sample !== undefined && { sample }),
    };
  });
}

async function shownSample(
  example: Example,
  { drawing, encode, weighting, number, picture }: ShowRequest & { number: number; picture: number | undefined },
): Promise<InspectedSample> {
  const sample = await drawing.sampleOf(example);
  const tokens = shownTokens(example, { encode, weighting });
  const boxes = boxesOfTurns(sample.turns);
  const { line = 0, drawn } = example;
  return {
    number,
    id: example.id,
    line: line + 1,
    source: sample.source,
    index: drawn?.index ?? 0,
    epoch: drawn?.epoch ?? 0,
    task: example.task,
    ...(picture !== undefined && { picture }),
    turns: promptTurns(sample, encode),
    boxes,
    tokens,
    length: example.tokenIds.length,
    supervised: tokens.filter((token) => token.kind !== 'image' && token.supervised).length,
    cut: uncutLength(sample, encode) - example.tokenIds.length,
    notes: boxNotes(boxes, sample),
  };
}

/** The tokens of an example, each with what its loss counts where that is not 1. */
function shownTokens(
  example: Example,
  { encode, weighting }: { encode: EncodeOptions; weighting: LossWeighting },
): ShownToken[] {
  const { labels } = example;
  const weights = weighting === 'token' ? [] : answerWeights({ labels, shape: [1, labels.length] });
  let place = 0;
  return tokenPieces(example, encode.tokenizer).map((token) => {
    if (token.kind === 'image' || !token.supervised) return token;
    const weight = weights[place++] ?? 1;
    return weight === 1 ? token : { ...token, weight };
  });
}

/** Tokens that the example would have if nothing limited it. */
function uncutLength(sample: Sample, encode: EncodeOptions): number {
  const limitless = Number.POSITIVE_INFINITY;
  const whole = { ...encode, maxTokens: limitless, maxAnswer: limitless, maxContext: limitless };
  return encodeSample(sample, whole).tokenIds.length;
}

/** Overlap from which a box of a text is taken for one of the sample: the text rounds to hundredths. */
const SAME_BOX = 0.5;

/** Boxes of the text that are none of the sample's, as after a wrong conversion. */
function boxNotes(named: readonly NamedBox[], { boxes = [] }: Sample): string[] {
  if (boxes.length === 0) return [];
  const strange = named.filter(({ box }) => !boxes.some((own) => sameBox(box, own)));
  if (strange.length === 0) return [];
  return [`${strange.length} of the ${named.length} boxes of its text are far from every box that the source gives`];
}

function sameBox(text: Box, own: Box): boolean {
  const near = text.every((value, place) => Math.abs(value - (own[place] as number)) <= 0.011);
  return near || iou(text, own) >= SAME_BOX;
}

/** Collects the pictures of a page, each once. */
function pictureShelf() {
  const pictures: InspectedPicture[] = [];
  const places = new Map<ImageRef, number>();
  return {
    pictures,
    /** @returns the place of an image's picture; undefined for no image */
    async add(image: ImageRef | undefined, batch: LoadedBatch): Promise<number | undefined> {
      if (image === undefined) return undefined;
      const known = places.get(image);
      if (known !== undefined) return known;
      const place = pictures.length;
      places.set(image, place);
      pictures.push(await pictureOf(image, batch));
      return place;
    },
    /** Images of another step are other objects. */
    clear: () => places.clear(),
  };
}

async function pictureOf(image: ImageRef, { pixels, pixelShape, packed, examples }: LoadedBatch) {
  const images = packed?.flatMap((row) => row.images) ?? examples.flatMap((example) => example.images);
  const side = pixelShape[1];
  const bytes = side * side * 3;
  const from = images.indexOf(image) * bytes;
  const { uri } = await pictureUri({ data: pixels.subarray(from, from + bytes), width: side, height: side }, side);
  const { width, height } = 'pixels' in image ? image : await readImageSize(image);
  return { name: nameOfImage(image), width, height, uri };
}
