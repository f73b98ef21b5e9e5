/** Objects that expressions point at, asked for either way: the box of an expression (refer), an expression for a box (identify). */

import { z } from 'zod';
import { type Box, type BoxRounding, formatBox } from '../lib/data/boxes.ts';
import type { RowSample } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import { drawInstruction, type Pick, type Task } from '../lib/data/task.ts';
import { ruledText, type TextRule, textRuleOption } from '../lib/data/text-rule.ts';

/** Options that change only how a row is put into words. */
export const referringWording = {
  text: textRuleOption('expressions', 'reference'),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
};

/** An object with the expressions that name it. */
export interface Referred {
  /** Fractions of the image, inside it, with an area. */
  box: Box;
  /** As they were written; at least one. */
  texts: readonly string[];
  /** Its category, where it is known. */
  name?: string;
}

export interface ReferringContext {
  task: Task;
  options: { text: TextRule; rounding: BoxRounding };
  pick: Pick;
}

/** One question about the object; one of its expressions is drawn each time. Expressions that the rule leaves empty are passed over. */
export function referringSample({ box, texts, name }: Referred, { task, options, pick }: ReferringContext): RowSample {
  const expressions = texts.map((text) => ruledText(text, options.text)).filter((text) => text !== '');
  const expression = expressions[pick(Math.max(1, expressions.length))] ?? '';
  const place = formatBox(box, options.rounding);
  const turn: Turn =
    task === 'refer'
      ? { question: expression === '' ? '' : drawInstruction('refer', expression, pick), answer: place }
      : { question: drawInstruction('identify', place, pick), answer: expression };
  const objects = name === undefined ? {} : { objects: [{ name, box }] };
  return { turns: [turn], boxes: [box], truth: { target: box, ...objects } };
}
