/**
 * Chance: what an answer that never looks at the image reaches, at best. Each function finds the constant answer that scores highest
 * on the given truths (a search that is exact for texts and near the best for boxes); scoring it with the metric itself gives chance.
 */

import { BOX_STEPS, type Box, formatBox, formatPhrase, mapBox } from '../../data/boxes.ts';
import type { SceneObject } from '../../data/sample.ts';
import { type NamedBox, normaliseAnswer, normalisePhrase } from '../parse-answer.ts';
import { boxesAgree } from './box-accuracy.ts';
import { compareCounts, countNames } from './caption-objects.ts';
import { detectionCounts } from './detection.ts';
import { groundingCounts } from './grounding.ts';
import { f1OfCounts, type MatchCounts } from './interval.ts';

/** Side lengths and corners of the boxes with which the search begins, in hundredths. */
const GRID = 10;
/** Steps by which the best box is then moved, in hundredths. */
const MOVES = [6, 3, 1] as const;
/** How many of the true objects are tried as constants. */
const TRIED = 400;
/** How many single objects take part in the search for a constant list. */
const SHORTLIST = 40;
/** The truths are given by class already. */
const NO_FORMS = new Map<string, never>();
/** Longest constant list. */
const LONGEST = 12;

/** The most frequent answer after normalisation; of equally frequent ones the first in the alphabet. */
export function bestConstantText(references: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of references.map(normaliseAnswer)) counts.set(text, (counts.get(text) ?? 0) + 1);
  const [best] = [...counts].sort(([a, na], [b, nb]) => nb - na || (a < b ? -1 : 1));
  return best?.[0] ?? '';
}

/** The text of the one box that agrees with the most targets. */
export function bestConstantBox(targets: readonly Box[]): string {
  return formatBox(
    searchBox((box) => targets.filter((target) => boxesAgree(box, target)).length),
    'round',
  );
}

/** The text of the list of boxes with the highest detection F1; where every question names its object, phrases are not needed. */
export function bestConstantDetection(truths: readonly (readonly SceneObject[])[]): string {
  const unnamed = (boxes: readonly Box[]): NamedBox[] => boxes.map((box) => ({ name: '', box }));
  const all = truths.flat().map(({ box }) => box);
  const best = searchBox((box) => all.filter((target) => boxesAgree(box, target)).length);
  const candidates = shortlist(
    [best, ...spread(all).map(onGrid)],
    (box) => all.filter((other) => boxesAgree(box, other)).length,
  );
  const list = growList(candidates, (boxes) =>
    truths.map((objects) => detectionCounts({ predicted: unnamed(boxes), objects, forms: NO_FORMS })),
  );
  return list.map((box) => formatBox(box, 'round')).join(' ');
}

/** The text of the list of grounded phrases with the highest grounding F1. */
export function bestConstantGrounding(truths: readonly (readonly SceneObject[])[]): string {
  const all = truths.flat().map(({ name, box }) => ({ name: normalisePhrase(name), box }));
  const names = [...new Set(all.map(({ name }) => name))].sort();
  const agreeing = (one: NamedBox): number =>
    all.filter(({ name, box }) => name === one.name && boxesAgree(one.box, box)).length;
  const found = names.map((name) => ({ name, box: searchBox((box) => agreeing({ name, box })) }));
  const candidates = shortlist(
    [...found, ...spread(all).map(({ name, box }) => ({ name, box: onGrid(box) }))],
    agreeing,
  );
  const list = growList(candidates, (predicted) =>
    truths.map((objects) => groundingCounts({ predicted, objects, forms: NO_FORMS })),
  );
  return list.map(({ name, box }) => formatPhrase(name, [box], 'round')).join(' ');
}

/** The caption whose list of objects has the highest object F1. */
export function bestConstantCaption(truths: readonly (readonly string[])[]): string {
  const counts = truths.map(countNames);
  const candidates = [...new Set(counts.flatMap((one) => [...one.keys()]))].sort();
  const list = growList(candidates, (names) => counts.map((truth) => compareCounts(countNames(names), truth)));
  return list.map((name) => `one ${name}`).join(', ');
}

/** Grows a list by whatever raises F1 most, as long as something does; an element may enter more than once. */
function growList<T>(candidates: readonly T[], counts: (list: readonly T[]) => readonly MatchCounts[]): T[] {
  let list: T[] = [];
  let reached = 0;
  while (list.length < LONGEST) {
    const scored = candidates.map((one) => ({ one, score: f1OfCounts(counts([...list, one])) }));
    const best = scored.reduce((a, b) => (b.score > a.score ? b : a), {
      one: undefined as T | undefined,
      score: reached,
    });
    if (best.one === undefined) break;
    list = [...list, best.one];
    reached = best.score;
  }
  return list;
}

/** At most TRIED elements, evenly spread over a list. */
function spread<T>(list: readonly T[]): T[] {
  const stride = Math.ceil(list.length / TRIED);
  return list.filter((_, place) => place % stride === 0);
}

/** The candidates of the highest scores, best first, equal scores in the order given. */
function shortlist<T>(candidates: readonly T[], score: (candidate: T) => number): T[] {
  const scored = candidates.map((candidate, place) => ({ candidate, place, score: score(candidate) }));
  scored.sort((a, b) => b.score - a.score || a.place - b.place);
  return scored.slice(0, SHORTLIST).map(({ candidate }) => candidate);
}

/** The box of the highest score among those of a coarse grid, moved corner by corner while that helps. */
function searchBox(score: (box: Box) => number): Box {
  let steps: Box = [0, 0, BOX_STEPS, BOX_STEPS];
  let reached = score(inFractions(steps));
  const attempt = (trial: Box): boolean => {
    const [x1, y1, x2, y2] = trial;
    if (x1 < 0 || y1 < 0 || x2 > BOX_STEPS || y2 > BOX_STEPS || x1 >= x2 || y1 >= y2) return false;
    const found = score(inFractions(trial));
    if (found <= reached) return false;
    reached = found;
    steps = trial;
    return true;
  };
  for (let x1 = 0; x1 < BOX_STEPS; x1 += GRID) {
    for (let y1 = 0; y1 < BOX_STEPS; y1 += GRID) {
      for (let x2 = x1 + GRID; x2 <= BOX_STEPS; x2 += GRID) {
        for (let y2 = y1 + GRID; y2 <= BOX_STEPS; y2 += GRID) attempt([x1, y1, x2, y2]);
      }
    }
  }
  for (const move of MOVES) while (neighbours(steps, move).some(attempt));
  return inFractions(steps);
}

/** Boxes with one side moved, or shifted as a whole. */
function neighbours([x1, y1, x2, y2]: Box, move: number): Box[] {
  const shifts: Box[] = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
    [1, 0, 1, 0],
    [0, 1, 0, 1],
  ];
  return [move, -move].flatMap((by) =>
    shifts.map(([left, top, right, bottom]): Box => [x1 + by * left, y1 + by * top, x2 + by * right, y2 + by * bottom]),
  );
}

function inFractions(steps: Box): Box {
  return mapBox(steps, (step) => step / BOX_STEPS);
}

function onGrid(box: Box): Box {
  return mapBox(box, (side) => Math.round(side * BOX_STEPS) / BOX_STEPS);
}
