/** Inspections for tests. */

import { registry } from '../../bin/registry.ts';
import type { Inspection } from '../../lib/report/inspect/inspection.ts';
import { inspect } from '../../lib/run/inspect/index.ts';
import { keptLines } from './tiny-scenes.ts';

export interface Wanted {
  set?: readonly string[];
  source?: string;
  alone?: boolean;
  samples?: number;
  each?: number;
  step?: number;
  html?: string;
}

/** Inspects a run file; `lines` is what was said on the way. */
export async function inspected(
  file: string,
  wanted: Wanted = {},
): Promise<{ inspection: Inspection; lines: string[] }> {
  const { logger, lines } = keptLines();
  const request = { file, set: [], samples: 24, step: 0, registry, logger, ...wanted };
  return { inspection: (await inspect(request)).inspection, lines };
}
