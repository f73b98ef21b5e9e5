/**
 * LLaVA-Instruct-150K (Liu et al. 2023, "Visual Instruction Tuning"; CC BY-NC 4.0, made with GPT-4, whose terms bind too):
 * conversations, detailed descriptions, and questions that ask for reasoning, about photos of COCO train.
 */

import { z } from 'zod';
import { defineRowSource } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import { ruledText, textRuleOption } from '../lib/data/text-rule.ts';
import { annotationFile } from './annotation-files.ts';
import { conversationOptions, conversationRows } from './conversation-rows.ts';
import { excludeFiles } from './excluded-images.ts';

const NAME = 'llava';

const FILES = {
  detail: 'detail_23k.json',
  reasoning: 'complex_reasoning_77k.json',
  conversation: 'conversation_58k.json',
} as const;

const options = z.object({
  ...conversationOptions,
  part: z
    .enum(['conversation', 'detail', 'reasoning'])
    .default('conversation')
    .describe('Which of the three: decides the file, where annotations names none.'),
  text: textRuleOption(
    'questions of detail and reasoning (the original leaves conversations as they are; its rule would cut long instructions, so the default keeps them)',
    'verbatim',
  ),
});

/** One sample for each conversation, with all its turns. */
export const llava = defineRowSource({
  name: NAME,
  aliases: {
    llava_detail: { part: 'detail' },
    llava_reason: { part: 'reasoning' },
    llava_conversation: { part: 'conversation' },
  },
  summary: 'LLaVA-Instruct: conversations, descriptions and reasoning about photos of COCO.',
  kind: 'instruction',
  tasks: ['conversation'],
  options,
  indexOptions: ['annotations', 'images', 'missing', 'exclude', 'part'],
  inputs: async (chosen) => [await fileOf(chosen), ...excludeFiles(chosen.root, chosen.exclude)],
  async *rows(chosen, scan) {
    yield* conversationRows({ ...chosen, source: NAME, path: await fileOf(chosen) }, scan);
  },
  sample: ({ record }: { record: Turn[] }, { options: { part, text } }) => ({
    turns: record.map(({ question, answer }) => ({
      question: part === 'conversation' ? question : ruledText(question, text),
      answer,
    })),
  }),
});

function fileOf({ annotations, root, part }: { root: string } & z.output<typeof options>): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: [FILES[part]] });
}
