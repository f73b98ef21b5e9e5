/** Every export format, in the order of the help. */

import type { ExportFormat } from './format.ts';
import { merged } from './merged.ts';
import { minigptv2 } from './minigptv2.ts';
import { peft } from './peft.ts';
import { tfjs } from './tfjs.ts';

export const EXPORT_FORMATS: readonly ExportFormat[] = [peft, merged, minigptv2, tfjs];
