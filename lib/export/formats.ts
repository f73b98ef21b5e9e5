/** Every export format, in the order of the help. */

import type { ExportFormat } from './format.ts';
import { merged } from './merged.ts';
import { peft } from './peft.ts';

export const EXPORT_FORMATS: readonly ExportFormat[] = [peft, merged];
