/** The sources and stages that ship with the project. */

import { SOURCES } from '../../datasets/index.ts';
import { STAGES } from '../../stages/index.ts';
import type { Registry } from '../run/config.ts';

export const SHIPPED: Registry = { sources: SOURCES, stages: STAGES };
