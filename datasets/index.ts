/** The sources that ship with the project. */

import type { Source } from '../lib/data/source.ts';
import { cocoCaption } from './coco-caption.ts';
import { emojiScenes } from './emoji-scenes/emoji-scenes.ts';
import { grit } from './grit.ts';
import { laion } from './laion.ts';

export const SOURCES: readonly Source[] = [cocoCaption, emojiScenes, grit, laion];
