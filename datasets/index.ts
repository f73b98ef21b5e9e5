/** The sources that ship with the project. */

import type { Source } from '../lib/data/source.ts';
import { aokvqa } from './aokvqa.ts';
import { cc3m } from './cc3m.ts';
import { cocoCaption } from './coco-caption.ts';
import { cocoInstances } from './coco-instances.ts';
import { emojiScenes } from './emoji-scenes/emoji-scenes.ts';
import { flickr30k } from './flickr30k.ts';
import { gqa } from './gqa.ts';
import { grit } from './grit.ts';
import { jsonl } from './jsonl.ts';
import { laion } from './laion.ts';
import { llava } from './llava.ts';
import { multitaskConversation } from './multitask-conversation.ts';
import { ocrvqa } from './ocrvqa.ts';
import { okvqa } from './okvqa.ts';
import { refcoco } from './refcoco.ts';
import { refcocoPlus } from './refcoco-plus.ts';
import { refcocog } from './refcocog.ts';
import { sbu } from './sbu.ts';
import { textcaps } from './textcaps.ts';
import { unnaturalInstructions } from './unnatural-instructions.ts';
import { visualGenome } from './visual-genome.ts';
import { vqav2 } from './vqav2.ts';
import { webdataset } from './webdataset.ts';

export const SOURCES: readonly Source[] = [
  aokvqa,
  cc3m,
  cocoCaption,
  cocoInstances,
  emojiScenes,
  flickr30k,
  gqa,
  grit,
  jsonl,
  laion,
  llava,
  multitaskConversation,
  ocrvqa,
  okvqa,
  refcoco,
  refcocog,
  refcocoPlus,
  sbu,
  textcaps,
  unnaturalInstructions,
  visualGenome,
  vqav2,
  webdataset,
];
