/** The sources and stages that ship with the project, handed to lib/run. */

import { SOURCES } from '../datasets/index.ts';
import type { Registry } from '../lib/run/config.ts';
import { STAGES } from '../stages/index.ts';

export const registry: Registry = { sources: SOURCES, stages: STAGES };
