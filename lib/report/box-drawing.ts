/** Boxes with labels as one SVG that needs nothing else: letters are outlines, colours are told apart from any photo below. */

import { BASELINE, LINE_HEIGHT, textPath } from './label-font.ts';
import { type FractionBox, LABEL_PADDING, type Placement, placeLabels, rectangleOf } from './label-placement.ts';

export interface DrawnBox {
  /** Fractions of the picture. */
  box: FractionBox;
  label?: string | undefined;
  /** `#rrggbb`; default: one of a palette for each label, so that equal labels look equal. */
  colour?: string | undefined;
  /** Broken lines, for what is true or was asked beside what was answered. */
  dashed?: boolean | undefined;
}

export interface BoxesRequest {
  /** Pixels of the picture. */
  width: number;
  height: number;
  boxes: readonly DrawnBox[];
  /** Size of the letters to begin with, in pixels; default by the size of the picture. */
  fontSize?: number | undefined;
  /** Of these boxes, where it is at hand. Default: made here by `placeLabels`. */
  placement?: Placement | undefined;
}

/** Bright colours that differ in hue and in lightness, also for most of those who see colours differently. */
const PALETTE = [
  '#ffb000',
  '#29b6f6',
  '#dc267f',
  '#00c853',
  '#ff6d00',
  '#785ef0',
  '#c6ff00',
  '#00e5d0',
  '#e53935',
  '#f48fb1',
] as const;
const DARK = '#101010';
const LIGHT = '#ffffff';

/**
 * The boxes of a picture as an SVG document of the picture's size, transparent where nothing is drawn.
 * @param request boxes as fractions; what lies outside the picture is cut off
 */
export function boxesSvg(request: BoxesRequest): string {
  const { width, height, boxes } = request;
  const placement = request.placement ?? placeLabels(request);
  const colours = coloursOf(boxes);
  const stroke = Math.max(2, Math.round(Math.sqrt(width * height) / 250));
  const outlines = boxes.map((box, place) => outline(box, { width, height, stroke, colour: colours[place] ?? LIGHT }));
  const leaders = placement.labels.flatMap(({ leader, place }) =>
    leader === undefined ? [] : leaderLine(leader, { stroke, colour: colours[place] ?? LIGHT }),
  );
  const labels = placement.labels.map((label) =>
    chip(label, { fontSize: placement.fontSize, colour: colours[label.place] ?? LIGHT }),
  );
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`;
  return [head, ...outlines, ...leaders, ...labels, '</svg>'].join('\n');
}

function coloursOf(boxes: readonly DrawnBox[]): string[] {
  const known = new Map<string, string>();
  return boxes.map(({ label, colour }, place) => {
    if (colour !== undefined) return colour;
    const key = label?.trim().toLowerCase() || `box ${place}`;
    const own = known.get(key) ?? (PALETTE[known.size % PALETTE.length] as string);
    known.set(key, own);
    return own;
  });
}

/** A frame whose line lies inside the picture, with a dark line below it that keeps it visible on its own colour. */
function outline(
  { box, dashed }: DrawnBox,
  { stroke, colour, ...picture }: { width: number; height: number; stroke: number; colour: string },
): string {
  const { x, y, width, height } = rectangleOf(box, picture);
  const inset = (start: number, size: number, most: number): [number, number] => {
    const from = Math.min(Math.max(start, stroke), most - stroke);
    return [from, Math.max(Math.min(start + size, most - stroke) - from, 0)];
  };
  const [left, wide] = inset(x, width, picture.width);
  const [top, high] = inset(y, height, picture.height);
  const frame = `x="${short(left)}" y="${short(top)}" width="${short(wide)}" height="${short(high)}" fill="none"`;
  const dash = dashed ? ` stroke-dasharray="${stroke * 4} ${stroke * 2.5}"` : '';
  return (
    `<rect ${frame} stroke="${DARK}" stroke-opacity="0.6" stroke-width="${stroke * 1.8}"${dash}/>` +
    `<rect ${frame} stroke="${escapeXml(colour)}" stroke-width="${stroke}"${dash}/>`
  );
}

function leaderLine(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  { stroke, colour }: { stroke: number; colour: string },
): string {
  const line = `x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}"`;
  return (
    `<line ${line} stroke="${DARK}" stroke-opacity="0.6" stroke-width="${stroke * 1.5}"/>` +
    `<line ${line} stroke="${escapeXml(colour)}" stroke-width="${stroke * 0.75}"/>`
  );
}

function chip(label: Placement['labels'][number], { fontSize, colour }: { fontSize: number; colour: string }): string {
  const { x, y, width, height, lines } = label;
  const letters = lines
    .map((line, row) =>
      textPath(line, {
        x: x + LABEL_PADDING * fontSize,
        y: y + (row * LINE_HEIGHT + BASELINE) * fontSize,
        size: fontSize,
      }),
    )
    .join('');
  return (
    `<g role="img" aria-label="${escapeXml(lines.join(' '))}">` +
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${short(fontSize / 8)}" fill="${escapeXml(colour)}"/>` +
    `<path d="${letters}" fill="${lettersOn(colour)}"/></g>`
  );
}

/** Dark letters on light colours, light ones on dark colours (relative luminance as the web's contrast rules weigh it). */
function lettersOn(colour: string): string {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (match === null) return LIGHT;
  const [red, green, blue] = match.slice(1, 4).map((part) => linear(Number.parseInt(part, 16) / 255)) as [
    number,
    number,
    number,
  ];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.18 ? DARK : LIGHT;
}

function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function short(value: number): string {
  return String(+value.toFixed(2));
}
