/**
 * Text as outlines, so that a picture shows its labels on machines without fonts too. The font is DejaVu Sans Bold (Latin, Greek,
 * Cyrillic, Arabic, Hebrew letters one by one; no Chinese, Japanese or Korean: those show as an empty frame).
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { create, type Font } from 'fontkitten';

const require = createRequire(import.meta.url);

/** Where the baseline lies below the top of a line, and how high a line is, as parts of the size. */
export const BASELINE = 0.98;
export const LINE_HEIGHT = 1.3;

interface Letter {
  /** Outline in units of the font, y upwards. */
  commands: readonly { command: string; args: readonly number[] }[];
  /** Width in units of the font. */
  advance: number;
}

interface LabelFont {
  font: Font;
  letters: Map<number, Letter>;
}

let opened: LabelFont | undefined;

function labelFont(): LabelFont {
  if (opened !== undefined) return opened;
  const path = require.resolve('@fontsource/dejavu-sans/files/dejavu-sans-latin-700-normal.woff2');
  const font = create(readFileSync(path));
  if (font.isCollection) throw new Error(`${path} holds several fonts`);
  opened = { font, letters: new Map() };
  return opened;
}

/** One line of letters that can be drawn: composed accents, single spaces, no control or formatting characters. */
export function cleanLabel(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(/\p{Cf}|\p{Cs}|\p{Variation_Selector}/gu, '')
    .trim();
}

/** Width of a line in the unit of `size`. */
export function textWidth(text: string, size: number): number {
  const units = lettersOf(text).reduce((sum, { advance }) => sum + advance, 0);
  return (units * size) / labelFont().font.unitsPerEm;
}

/**
 * The outline of a line as SVG path data.
 * @param place left end of the baseline, and the size of the letters
 */
export function textPath(text: string, place: { x: number; y: number; size: number }): string {
  const scale = place.size / labelFont().font.unitsPerEm;
  const parts: string[] = [];
  let pen = place.x;
  for (const { commands, advance } of lettersOf(text)) {
    for (const { command, args } of commands) {
      const points = args.map((value, axis) => (axis % 2 === 0 ? pen + value * scale : place.y - value * scale));
      parts.push(`${LETTERS[command] ?? ''}${points.map((value) => +value.toFixed(2)).join(' ')}`);
    }
    pen += advance * scale;
  }
  return parts.join('');
}

const LETTERS: Readonly<Record<string, string>> = {
  moveTo: 'M',
  lineTo: 'L',
  quadraticCurveTo: 'Q',
  bezierCurveTo: 'C',
  closePath: 'Z',
};

function lettersOf(text: string): Letter[] {
  const { font, letters } = labelFont();
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) as number;
    const known = letters.get(code);
    if (known !== undefined) return known;
    const glyph = font.glyphForCodePoint(code);
    const letter = { commands: glyph.path.commands, advance: glyph.advanceWidth };
    letters.set(code, letter);
    return letter;
  });
}
