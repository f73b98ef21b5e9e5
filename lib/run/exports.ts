/** `exports.jsonl` of a run folder: what was written from the run for other programs, and where. */

import { existsSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { type ExportManifest, isExport } from '../export/manifest.ts';
import { RUN_FILES } from './run-folder.ts';

const record = z.object({
  format: z.string(),
  /** Relative to the run folder. */
  path: z.string(),
  step: z.int().min(0),
  maxAbsLogitDiff: z.number(),
});
/** An export of a run. */
export type RecordedExport = z.infer<typeof record>;

/** Notes an export in the folder of its run. @param out where it was published */
export async function recordExport(runFolder: string, out: string, manifest: ExportManifest): Promise<void> {
  const { format, step, parity } = manifest;
  const path = relative(runFolder, out).replaceAll('\\', '/');
  const entry: RecordedExport = { format, path, step, maxAbsLogitDiff: parity.maxAbsLogitDiff };
  await appendFile(join(runFolder, RUN_FILES.exports), `${JSON.stringify(entry)}\n`);
}

/** The exports of a run that are still there, the last one of each place. Lines that say something else are passed over. */
export function recordedExports(runFolder: string): RecordedExport[] {
  const file = join(runFolder, RUN_FILES.exports);
  if (!existsSync(file)) return [];
  const byPath = new Map<string, RecordedExport>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const entry = parsed(line);
    if (entry !== undefined && isExport(join(runFolder, entry.path))) byPath.set(entry.path, entry);
  }
  return [...byPath.values()];
}

function parsed(line: string): RecordedExport | undefined {
  try {
    return record.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
