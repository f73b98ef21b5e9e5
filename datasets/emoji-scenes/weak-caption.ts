/** Captions as the web has them: some with a word dropped, two swapped, or one that is wrong; and boxes that are a little off. */

import type { RandomStream } from '../../lib/core/rng.ts';
import type { Box } from '../../lib/data/boxes.ts';
import { countedName, type Group, groupsOf, withArticle } from './language.ts';
import { COLOURS, type Scene } from './scene.ts';

/** How much goes wrong. */
export interface Noise {
  /** Share of captions with an error. */
  readonly captions: number;
  /** Standard deviation of a loose box's edges, as a part of its size. */
  readonly boxes: number;
}

/** A piece of a caption; with a group it is the phrase for those objects, right or wrong. */
interface Piece {
  text: string;
  group?: Group;
}

/** A phrase of a weak caption with the objects it came from. */
export interface WeakPhrase {
  /** First character of the phrase in the caption, and the one after its last, counted in code points. */
  readonly start: number;
  readonly end: number;
  readonly group: Group;
}

export interface WeakCaption {
  readonly text: string;
  readonly phrases: readonly WeakPhrase[];
}

/**
 * A caption with one error at the rate of the noise.
 * @param kinds names that a wrong phrase may use
 * @param random the draws of this caption
 */
export function weakCaption(
  scene: Scene,
  kinds: readonly string[],
  { noise, random }: { noise: Noise; random: RandomStream },
): WeakCaption {
  let draws = 1;
  const pick = (bound: number): number => random.integer(draws++, bound);
  let pieces = piecesOf(scene);
  if (random.uniform(0) < noise.captions) {
    const spoil = [dropPiece, swapPieces, mistake][pick(3)] as Spoiler;
    pieces = spoil(pieces, { kinds, pick });
  }
  return assemble(pieces);
}

function piecesOf(scene: Scene): Piece[] {
  const groups = groupsOf(scene);
  const listed = groups.flatMap((group, place): Piece[] => {
    const joint: Piece[] = place === 0 ? [] : [{ text: place === groups.length - 1 ? 'and' : 'with' }];
    return [...joint, { text: countedName(group), group }];
  });
  const [article = 'a'] = withArticle(scene.background).split(' ');
  return [...listed, ...['on', article, scene.background, 'background'].map((text) => ({ text }))];
}

type Spoiler = (pieces: readonly Piece[], by: { kinds: readonly string[]; pick(bound: number): number }) => Piece[];

/** Leaves a piece out, but never the only phrase. */
const dropPiece: Spoiler = (pieces, { pick }) => {
  const phrases = pieces.filter(({ group }) => group !== undefined);
  const may = pieces.filter(({ group }) => group === undefined || phrases.length > 1);
  const gone = may[pick(may.length)];
  return pieces.filter((piece) => piece !== gone);
};

const swapPieces: Spoiler = (pieces, { pick }) => {
  const place = pick(pieces.length - 1);
  const swapped = [...pieces];
  [swapped[place], swapped[place + 1]] = [pieces[place + 1] as Piece, pieces[place] as Piece];
  return swapped;
};

/** Calls one group by the name of another kind, or the background by another colour. */
const mistake: Spoiler = (pieces, { kinds, pick }) => {
  const colours = COLOURS.map(({ name }) => name);
  const may = pieces.filter(({ text, group }) => group !== undefined || colours.includes(text));
  const wrong = may[pick(may.length)] as Piece;
  const pool = (wrong.group === undefined ? colours : kinds).filter(
    (name) => name !== (wrong.group?.name ?? wrong.text),
  );
  const word = pool[pick(pool.length)] as string;
  return pieces.map((piece) => {
    if (piece !== wrong) return piece;
    return wrong.group === undefined ? { text: word } : { text: withArticle(word), group: wrong.group };
  });
};

function assemble(pieces: readonly Piece[]): WeakCaption {
  const phrases: WeakPhrase[] = [];
  let at = 0;
  for (const { text, group } of pieces) {
    const end = at + [...text].length;
    if (group !== undefined) phrases.push({ start: at, end, group });
    at = end + 1;
  }
  return { text: pieces.map(({ text }) => text).join(' '), phrases };
}

/** A loose box and how sure a detector would be of it: the looser, the less. */
export interface LooseBox {
  readonly box: Box;
  /** 0..1 */
  readonly score: number;
}

/**
 * Moves every edge of a box by a normal draw, within the image.
 * @param random its first four normals are used
 */
export function looseBox([x1, y1, x2, y2]: Box, { noise, random }: { noise: Noise; random: RandomStream }): LooseBox {
  const shifts = [0, 1, 2, 3].map((edge) => random.normal(edge));
  const [width, height] = [x2 - x1, y2 - y1];
  const edges = [x1, y1, x2, y2].map((value, edge) => {
    const moved = value + noise.boxes * (shifts[edge] as number) * (edge % 2 === 0 ? width : height);
    return Math.min(1, Math.max(0, moved));
  }) as [number, number, number, number];
  // Edges that crossed change roles; a box that lost its area is put back.
  const [left, right] = [Math.min(edges[0], edges[2]), Math.max(edges[0], edges[2])];
  const [top, bottom] = [Math.min(edges[1], edges[3]), Math.max(edges[1], edges[3])];
  const box: Box = left < right && top < bottom ? [left, top, right, bottom] : [x1, y1, x2, y2];
  const mean = shifts.reduce((sum, shift) => sum + Math.abs(shift), 0) / shifts.length;
  return { box, score: Math.max(0.05, 1 - 0.25 * mean) };
}
