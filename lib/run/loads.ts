/** What weights were found to be, in words and for weights.json: one line a file, and every name that was not simply taken. */

import type { ImportReport } from '../checkpoint/import.ts';
import type { Logger } from '../core/log.ts';
import { RUN_FILES, writeRunJson } from './run-folder.ts';
import type { WeightsLoad } from './weights.ts';

/** `3 F16 and 1 BF16`. */
function castText({ cast }: ImportReport): string {
  const counts = new Map<string, number>();
  for (const { from } of cast) counts.set(from, (counts.get(from) ?? 0) + 1);
  return [...counts].map(([from, count]) => `${count} ${from}`).join(' and ');
}

/** @returns one line: what was found, missing, ignored, cast and fitted */
export function describeLoad({ part, report }: WeightsLoad): string {
  const { path, layout, found, missing, ignored, cast, reshaped } = report;
  // A run's own checkpoint leaves frozen weights of published files out
  const lacks = part === 'checkpoint' ? 'elsewhere' : 'missing, they start anew';
  const adapters = found.filter((name) => name.includes('.lora_')).length;
  const parts = [
    `${found.length} found${adapters === 0 ? '' : `, ${adapters} of them adapters`}`,
    `${missing.length} ${missing.length === 0 ? 'missing' : lacks}`,
    `${ignored.length} ignored`,
    ...(cast.length === 0 ? [] : [`cast from ${castText(report)} to ${cast[0]?.to}`]),
    ...reshaped.map(({ name, found: from, expected }) => `${name} fitted from [${from}] to [${expected}]`),
  ];
  return `weights of ${part}: ${path} (${layout}): ${parts.join(', ')}`;
}

/** @returns a line for each weight that was not simply taken */
export function loadDetails({ report }: WeightsLoad): string[] {
  return [
    ...report.missing.map((name) => `missing: ${name}`),
    ...report.ignored.map(({ key, reason }) => `ignored: ${key} (${reason})`),
    ...report.cast.map(({ name, from, to }) => `cast: ${name} from ${from} to ${to}`),
  ];
}

/** @returns the load for weights.json of a run: counts, and the names behind the small ones */
export function loadFacts({ part, report }: WeightsLoad): object {
  const { path, layout, found, missing, ignored, reshaped } = report;
  return {
    ...{ part, path, layout, found: found.length, missing, ignored },
    cast: castText(report),
    reshaped: reshaped.map(({ name, found: from, expected }) => ({ name, from, to: expected })),
  };
}

/** Says what every file of weights was found to hold; the names go to weights.json of the run and to those who debug. */
export async function tellLoads(
  loads: readonly WeightsLoad[],
  { folder, logger }: { folder: string; logger: Logger },
): Promise<void> {
  for (const load of loads) {
    logger.info(describeLoad(load));
    for (const line of loadDetails(load)) logger.debug(line);
  }
  if (loads.length > 0) await writeRunJson(folder, RUN_FILES.weights, loads.map(loadFacts));
}
