/** The sources that ship with the project. */

import type { Source } from '../lib/data/source.ts';
import { cocoCaption } from './coco-caption.ts';

export const SOURCES: readonly Source[] = [cocoCaption];
