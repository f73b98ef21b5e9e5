/** The sources that ship with the project. */

import type { Source } from '../lib/data/source.ts';
import { aokvqa } from './aokvqa.ts';
import { cocoCaption } from './coco-caption.ts';
import { emojiScenes } from './emoji-scenes/emoji-scenes.ts';
import { gqa } from './gqa.ts';
import { grit } from './grit.ts';
import { laion } from './laion.ts';
import { ocrvqa } from './ocrvqa.ts';
import { okvqa } from './okvqa.ts';
import { refcoco } from './refcoco.ts';
import { refcocoPlus } from './refcoco-plus.ts';
import { refcocog } from './refcocog.ts';
import { textcaps } from './textcaps.ts';
import { visualGenome } from './visual-genome.ts';
import { vqav2 } from './vqav2.ts';

export const SOURCES: readonly Source[] = [
  aokvqa,
  cocoCaption,
  emojiScenes,
  gqa,
  grit,
  laion,
  ocrvqa,
  okvqa,
  refcoco,
  refcocoPlus,
  refcocog,
  textcaps,
  visualGenome,
  vqav2,
];
