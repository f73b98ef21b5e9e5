/** Every source of the full-size configurations in miniature, as published, in the layout of docs/sources.md. */

import { join } from 'node:path';
import { makeCc3m } from './cc3m.ts';
import { makeFlickr30k } from './flickr30k.ts';
import { makeGrit } from './grit.ts';
import { makeLaion } from './laion.ts';
import { makeLlava } from './llava.ts';
import { makeMultitaskConversation } from './multitask-conversation.ts';
import { makeSbu } from './sbu.ts';
import { makeTaskData } from './task-data.ts';
import { makeUnnaturalInstructions } from './unnatural-instructions.ts';

/** @param data the folder that DATA_ROOT names */
export async function makeAll(data: string): Promise<void> {
  const coco = join(data, 'coco');
  await makeTaskData(data);
  await makeLaion(join(data, 'laion'));
  await makeCc3m(join(data, 'cc3m'));
  await makeSbu(join(data, 'sbu'));
  await makeGrit(join(data, 'grit'));
  await makeLlava(join(data, 'llava'), coco);
  await makeMultitaskConversation(join(data, 'multitask'), coco);
  await makeFlickr30k(join(data, 'flickr30k'));
  await makeUnnaturalInstructions(join(data, 'unnatural-instructions'));
}
