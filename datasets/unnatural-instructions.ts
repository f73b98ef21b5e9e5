/**
 * Unnatural Instructions (Honovich et al. 2022; MIT): instructions with inputs and outputs, written by a language model; no images.
 * Reads the published JSONL (`core_data.jsonl`, `full_data.jsonl`) and the array that MiniGPT-v2 filtered from it.
 */

import { z } from 'zod';
import { defineRowSource, type SourceRow } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import { splitWords, stripText } from '../lib/data/text-clean.ts';
import { ruledText, textRuleOption } from '../lib/data/text-rule.ts';
import { jsonArrayItems, jsonLines } from '../lib/formats/json-stream.ts';
import { annotationFile, recordOf } from './annotation-files.ts';

const NAME = 'unnatural-instructions';
const FILES = ['filtered_unnatural_instruction.json', 'core_data.jsonl', 'full_data.jsonl'];

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe(`Instructions: .jsonl, or a JSON array. Default: the first of ${FILES.join(', ')} under root.`),
  reformulations: z
    .boolean()
    .default(false)
    .describe('Whether the other wordings of full_data.jsonl are samples too; the original takes none.'),
  maxWords: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(400)
    .describe(
      'Samples with more words in question and answer are left out. Our choice: the original leaves out very long ones and does not say which.',
    ),
  text: textRuleOption(
    'instructions and outputs (the original cuts both at 50 words and strips their marks, which spoils code, numbers and long answers, so the default keeps them)',
    'verbatim',
  ),
});

/** One sample for each instance: the instruction with its input and constraints, and the output. */
export const unnaturalInstructions = defineRowSource({
  name: NAME,
  aliases: { unnatural_instruction: {} },
  summary: 'Instructions and outputs in text alone, written by a language model.',
  kind: 'instruction',
  tasks: ['text'],
  options,
  indexOptions: ['annotations', 'reformulations', 'maxWords'],
  inputs: async (chosen) => [await fileOf(chosen)],
  async *rows(chosen, scan): AsyncIterable<SourceRow<Turn>> {
    const path = await fileOf(chosen);
    let place = -1;
    for await (const item of path.endsWith('.jsonl') ? jsonLines(path) : jsonArrayItems(path)) {
      place++;
      for (const [part, turn] of turnsOf(item, chosen.reformulations).entries()) {
        const where = `${path}, record ${place}`;
        const { question, answer } = turn;
        if (question === '') scan.reject('empty question', where);
        else if (answer === '') scan.reject('empty answer', where);
        else if (splitWords(question).length + splitWords(answer).length > chosen.maxWords)
          scan.reject('too long', where);
        else yield { id: part === 0 ? String(place) : `${place}-${part}`, record: turn };
      }
    }
  },
  sample: ({ record: { question, answer } }: { record: Turn }, { options: { text } }) => ({
    turns: [{ question: ruledText(question, text), answer: ruledText(answer, text) }],
  }),
});

function fileOf({ annotations, root }: { root: string } & z.output<typeof options>): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: FILES, folders: ['.', 'data'] });
}

/** The instances of a record, and its reformulations where they are wanted; empty texts where a key is missing. */
function turnsOf(item: unknown, reformulations: boolean): Turn[] {
  const { instances, reformulations: others } = recordOf(item) ?? {};
  const own = Array.isArray(instances) && instances.length > 0 ? instances : [undefined];
  const more = reformulations && Array.isArray(others) ? others : [];
  return [...own, ...more].map((instance) => {
    const { instruction_with_input: asked, constraints, output } = recordOf(instance) ?? {};
    return {
      question: [textOf(asked), constraintOf(constraints)].filter((text) => text !== '').join(' '),
      answer: textOf(output),
    };
  });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? stripText(value) : '';
}

/** Published files write `None.` where there is no constraint. */
function constraintOf(value: unknown): string {
  const text = textOf(value);
  return /^none\.?$/i.test(text) ? '' : text;
}
