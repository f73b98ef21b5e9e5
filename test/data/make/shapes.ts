/**
 * The pictures of the miniatures: two coloured shapes each on a grey ground, drawn here, so that what is said of them can be true.
 * Picture n is always the same one; miniatures of several sources may speak of it.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { writeContent } from './pictures.ts';

const COLOURS = ['red', 'green', 'blue', 'white', 'yellow', 'black'] as const;
const SHAPES = ['square', 'disc', 'triangle'] as const;
const SIZES = [
  [96, 72],
  [72, 96],
  [88, 88],
] as const;

/** A shape in a picture. */
export interface Thing {
  colour: (typeof COLOURS)[number];
  shape: (typeof SHAPES)[number];
  /** `red disc`; no picture has two of a name. */
  name: string;
  /** Which side of the picture it is on. */
  side: 'left' | 'right';
  /** x1, y1, x2, y2 in pixels. */
  box: readonly [number, number, number, number];
}

export interface Picture {
  width: number;
  height: number;
  /** The left one, the right one. */
  things: readonly [Thing, Thing];
}

/** Picture n = 0, 1, ... */
export function picture(n: number): Picture {
  const [width, height] = SIZES[n % SIZES.length] ?? SIZES[0];
  const thing = (place: 0 | 1): Thing => {
    const colour = COLOURS[(n + 2 * place) % COLOURS.length] ?? 'red';
    const shape = SHAPES[(Math.floor(n / 2) + place) % SHAPES.length] ?? 'disc';
    const side = 22 + ((n * 3 + place * 5) % 9);
    const x = 4 + place * (width / 2);
    const y = 6 + ((n * 7 + place * 11) % (height - side - 12));
    return {
      colour,
      shape,
      name: `${colour} ${shape}`,
      side: place === 0 ? 'left' : 'right',
      box: [x, y, x + side, y + side],
    };
  };
  return { width, height, things: [thing(0), thing(1)] };
}

/** Corners as COCO and Visual Genome write them: x, y, width, height. */
export function xywhOf({ box: [x1, y1, x2, y2] }: Thing): [number, number, number, number] {
  return [x1, y1, x2 - x1, y2 - y1];
}

/** What can be said of a picture in one sentence. */
export function sentenceOf({ things: [left, right] }: Picture): string {
  return `A ${left.name} stands to the left of a ${right.name}.`;
}

function encode({ width, height, things }: Picture, format: 'jpeg' | 'png' = 'jpeg'): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="${width}" height="${height}" fill="#777"/>${things.map(drawing).join('')}</svg>`;
  const image = sharp(Buffer.from(svg));
  return (format === 'png' ? image.png() : image.jpeg({ quality: 90 })).toBuffer();
}

function drawing({ colour, shape, box: [x1, y1, x2, y2] }: Thing): string {
  const fill = `fill="${colour}"`;
  if (shape === 'square') return `<rect x="${x1}" y="${y1}" width="${x2 - x1}" height="${y2 - y1}" ${fill}/>`;
  if (shape === 'disc') return `<circle cx="${(x1 + x2) / 2}" cy="${(y1 + y2) / 2}" r="${(x2 - x1) / 2}" ${fill}/>`;
  return `<path d="M${(x1 + x2) / 2} ${y1}L${x2} ${y2}L${x1} ${y2}Z" ${fill}/>`;
}

/** Writes picture n to a file, its folders made; PNG where the name ends so. */
export async function writeShapes(path: string, n: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, await encode(picture(n), path.endsWith('.png') ? 'png' : 'jpeg'));
}

/** Writes files below a folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeContent(join(folder, name), content);
}
