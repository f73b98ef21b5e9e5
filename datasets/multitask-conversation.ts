/**
 * Multi-task conversations (Chen et al. 2023, "MiniGPT-v2"): several tasks in turn about one photo of COCO train. The authors made
 * theirs from RefCOCO, COCO and a model of their own, and published it without a licence of its own;
 * `tristage prepare multitask-conversation --build FILE` makes one from public annotations.
 */

import { z } from 'zod';
import { defineRowSource } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import { annotationFile } from './annotation-files.ts';
import { conversationOptions, conversationRows } from './conversation-rows.ts';
import { excludeFiles } from './excluded-images.ts';
import { buildMultitask, multitaskBuildOptions } from './multitask-build.ts';

const NAME = 'multitask-conversation';

/** The original's configuration and its instructions spell the name differently. */
const FILES = ['multi_task_conversation.json', 'multitask_conversation.json'];

const options = z.object(conversationOptions);

/** One sample for each conversation, with all its turns. */
export const multitaskConversation = defineRowSource({
  name: NAME,
  aliases: { multitask_conversation: {} },
  summary: 'Several tasks in turn about one photo of COCO.',
  kind: 'instruction',
  tasks: ['conversation'],
  options,
  build: { options: multitaskBuildOptions, gives: 'annotations', run: buildMultitask },
  inputs: async (chosen) => [await fileOf(chosen), ...excludeFiles(chosen.root, chosen.exclude)],
  async *rows(chosen, scan) {
    yield* conversationRows({ ...chosen, source: NAME, path: await fileOf(chosen) }, scan);
  },
  sample: ({ record: turns }: { record: Turn[] }) => ({ turns }),
});

function fileOf({ annotations, root }: { root: string } & z.output<typeof options>): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: FILES });
}
