/**
 * Where labels stand on a picture with boxes: inside the picture, never over each other, near their box. Each is tried at the
 * places around its box, then anywhere with a line to its box, then all of them with smaller letters, then in rows. Only a label
 * for which no room is left at all is left out.
 */

import { cleanLabel, LINE_HEIGHT, textWidth } from './label-font.ts';

/** x1, y1, x2, y2 as fractions of the picture, origin top left; corners in any order, parts outside are cut off. */
export type FractionBox = readonly [number, number, number, number];

/** A rectangle in pixels of the picture. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface LabelRequest {
  /** Pixels of the picture. */
  width: number;
  height: number;
  boxes: readonly { box: FractionBox; label?: string | undefined }[];
  /** Size of the letters to begin with; default by the size of the picture. */
  fontSize?: number | undefined;
}

export interface PlacedLabel extends Rectangle {
  /** Which box it belongs to. */
  place: number;
  lines: readonly string[];
  /** From the label to its box where it does not touch it: x1, y1, x2, y2 in pixels. */
  leader?: readonly [number, number, number, number];
}

export interface Placement {
  fontSize: number;
  labels: readonly PlacedLabel[];
  /** Places of the boxes whose label found no room. */
  leftOut: readonly number[];
}

/** Room beside the letters, as a part of their size. */
export const LABEL_PADDING = 0.3;
const SMALLEST = 8;
const MOST_LINES = 3;
/** Widest label before it is broken into lines, as a part of the picture's width. */
const WIDEST = 0.6;
/** Free pixels between two labels. */
const GAP = 1;

/**
 * Places the labels of a picture; the same request gives the same places.
 * @returns no two labels that touch, all inside the picture
 */
export function placeLabels(request: LabelRequest): Placement {
  const { width, height } = request;
  const first = request.fontSize ?? Math.min(Math.max(Math.sqrt(width * height) / 30, 10), 64);
  let fontSize = first;
  while (true) {
    const wanted = wantedLabels(request, fontSize);
    const placed = placeAround(request, wanted);
    if (placed.leftOut.length === 0) return { fontSize, ...placed };
    if (fontSize <= SMALLEST) {
      const rows = placeInRows(request, wanted);
      return { fontSize, ...(rows.leftOut.length < placed.leftOut.length ? rows : placed) };
    }
    fontSize = Math.max(SMALLEST, fontSize * 0.85);
  }
}

interface Wanted {
  place: number;
  lines: string[];
  width: number;
  height: number;
  box: Rectangle;
}

function wantedLabels({ width, height, boxes }: LabelRequest, fontSize: number): Wanted[] {
  return boxes.flatMap(({ box, label }, place) => {
    const text = cleanLabel(label ?? '');
    if (text === '') return [];
    const lines = breakLines(text, { fontSize, width });
    const widest = Math.max(...lines.map((line) => textWidth(line, fontSize)));
    return {
      place,
      lines,
      width: Math.ceil(widest + 2 * LABEL_PADDING * fontSize),
      height: Math.ceil(lines.length * LINE_HEIGHT * fontSize),
      box: rectangleOf(box, { width, height }),
    };
  });
}

/** The part of a box that is inside the picture, corners put in order. */
export function rectangleOf(box: FractionBox, { width, height }: { width: number; height: number }): Rectangle {
  const inside = (value: number) => Math.min(Math.max(value, 0), 1);
  const [x1, x2] = [inside(Math.min(box[0], box[2])) * width, inside(Math.max(box[0], box[2])) * width];
  const [y1, y2] = [inside(Math.min(box[1], box[3])) * height, inside(Math.max(box[1], box[3])) * height];
  return { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
}

/** Breaks at spaces into at most MOST_LINES lines; what does not fit ends in an ellipsis. */
function breakLines(text: string, { fontSize, width }: { fontSize: number; width: number }): string[] {
  const padding = 2 * LABEL_PADDING * fontSize;
  const most = width - padding;
  if (textWidth(text, fontSize) <= Math.max(width * WIDEST - padding, 0)) return [text];
  const limit = Math.min(most, Math.max(width * WIDEST - padding, fontSize * 6));
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) === '' || textWidth(longer, fontSize) <= limit) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const kept = lines.slice(0, MOST_LINES);
  if (lines.length > MOST_LINES) kept[MOST_LINES - 1] = lines.slice(MOST_LINES - 1).join(' ');
  return kept.map((line) => shorten(line, { fontSize, most }));
}

function shorten(line: string, { fontSize, most }: { fontSize: number; most: number }): string {
  if (textWidth(line, fontSize) <= most) return line;
  const characters = Array.from(line);
  while (characters.length > 0 && textWidth(`${characters.join('')}…`, fontSize) > most) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

type Placed = Pick<Placement, 'labels' | 'leftOut'>;

function placeAround(picture: LabelRequest, wanted: readonly Wanted[]): Placed {
  const labels: PlacedLabel[] = [];
  const leftOut: number[] = [];
  const others = wanted.map(({ box }) => box);
  for (const label of wanted) {
    const free = (spot: Rectangle) => isInside(spot, picture) && !labels.some((other) => touches(spot, other));
    const near = spotsAround(label, picture).filter(free);
    const spot =
      cheapest(near, (one, rank) => rank * 0.05 + clutter(one, label.box, others)) ?? nearest(label, picture, free);
    if (spot === undefined) leftOut.push(label.place);
    else labels.push(placedAt(label, spot));
  }
  return { labels, leftOut };
}

/** Above, below, inside, beside; moved into the picture. Better ones first. */
function spotsAround({ box, width, height }: Wanted, picture: LabelRequest): Rectangle[] {
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  const corners: [number, number][] = [
    [box.x, box.y - height],
    [right - width, box.y - height],
    [box.x, bottom],
    [right - width, bottom],
    [box.x, box.y],
    [box.x, bottom - height],
    [right - width, box.y],
    [right - width, bottom - height],
    [right, box.y],
    [box.x - width, box.y],
    [right, bottom - height],
    [box.x - width, bottom - height],
  ];
  return corners.map(([x, y]) => ({
    x: Math.min(Math.max(Math.round(x), 0), picture.width - width),
    y: Math.min(Math.max(Math.round(y), 0), picture.height - height),
    width,
    height,
  }));
}

/** How much a label would hide: its own box and, less so, others; by the part of each that is covered. */
function clutter(spot: Rectangle, own: Rectangle, boxes: readonly Rectangle[]): number {
  let cost = 0;
  for (const box of boxes) {
    const covered = common(spot, box) / Math.max(box.width * box.height, 1);
    cost += box === own ? covered : covered * 1.5 + 0.3 * (common(spot, box) / (spot.width * spot.height));
  }
  return cost;
}

/** The free spot with the smallest way to the box, on a grid of half a label's height. */
function nearest(label: Wanted, picture: LabelRequest, free: (spot: Rectangle) => boolean): Rectangle | undefined {
  const step = Math.max(2, Math.round(label.height / 2));
  const spots: Rectangle[] = [];
  for (let y = 0; y <= picture.height - label.height; y += step) {
    for (let x = 0; x <= picture.width - label.width; x += step) {
      const spot = { x, y, width: label.width, height: label.height };
      if (free(spot)) spots.push(spot);
    }
  }
  return cheapest(spots, (spot) => distance(spot, label.box));
}

/** Rows from the top, one label after another: the densest order there is, for pictures full of boxes. */
function placeInRows(picture: LabelRequest, wanted: readonly Wanted[]): Placed {
  const labels: PlacedLabel[] = [];
  const leftOut: number[] = [];
  let [x, y, row] = [0, 0, 0];
  for (const label of [...wanted].sort((a, b) => a.height - b.height || a.place - b.place)) {
    if (x > 0 && x + label.width > picture.width) [x, y, row] = [0, y + row + GAP, 0];
    const spot = { x, y, width: label.width, height: label.height };
    if (!isInside(spot, picture)) {
      leftOut.push(label.place);
      continue;
    }
    labels.push(placedAt(label, spot));
    x += label.width + GAP;
    row = Math.max(row, label.height);
  }
  return { labels: labels.sort((a, b) => a.place - b.place), leftOut: leftOut.sort((a, b) => a - b) };
}

function placedAt({ place, lines, box }: Wanted, spot: Rectangle): PlacedLabel {
  const label = { ...spot, place, lines };
  if (distance(spot, box) <= GAP) return label;
  const [fromX, toX] = closestPair([spot.x, spot.x + spot.width], [box.x, box.x + box.width]);
  const [fromY, toY] = closestPair([spot.y, spot.y + spot.height], [box.y, box.y + box.height]);
  return { ...label, leader: [fromX, fromY, toX, toY] };
}

/** The two nearest values of two intervals; the middle of what they share. */
function closestPair(a: readonly [number, number], b: readonly [number, number]): [number, number] {
  if (a[1] < b[0]) return [a[1], b[0]];
  if (b[1] < a[0]) return [a[0], b[1]];
  const middle = (Math.max(a[0], b[0]) + Math.min(a[1], b[1])) / 2;
  return [middle, middle];
}

function cheapest<T>(items: readonly T[], cost: (item: T, rank: number) => number): T | undefined {
  let best: { item: T; cost: number } | undefined;
  for (const [rank, item] of items.entries()) {
    const own = cost(item, rank);
    if (best === undefined || own < best.cost) best = { item, cost: own };
  }
  return best?.item;
}

function isInside(spot: Rectangle, picture: { width: number; height: number }): boolean {
  return spot.x >= 0 && spot.y >= 0 && spot.x + spot.width <= picture.width && spot.y + spot.height <= picture.height;
}

function touches(a: Rectangle, b: Rectangle): boolean {
  const apart = (startA: number, sizeA: number, startB: number, sizeB: number) =>
    startA + sizeA + GAP > startB && startB + sizeB + GAP > startA;
  return apart(a.x, a.width, b.x, b.width) && apart(a.y, a.height, b.y, b.height);
}

/** Area that two rectangles share. */
function common(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Shortest way between two rectangles; 0 where they touch. */
function distance(a: Rectangle, b: Rectangle): number {
  const x = Math.max(a.x - b.x - b.width, b.x - a.x - a.width, 0);
  const y = Math.max(a.y - b.y - b.height, b.y - a.y - a.height, 0);
  return Math.hypot(x, y);
}
