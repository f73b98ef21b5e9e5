/** Opens the data of an inspection: all of the run's, or what is there of it. */

import { existsSync } from 'node:fs';
import { TristageError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ResolvedRun } from '../config.ts';
import { type OpenData, openData } from '../data.ts';
import { trainedParent } from '../dry-run.ts';
import { inheritedPieces } from '../vocabulary.ts';

export interface OpenedChoice {
  data: OpenData;
  /** Places of the wanted lines among those of `data`, from 0. */
  lines: readonly number[];
  /** What a reader should know. */
  notes: readonly string[];
}

/**
 * Opens the data of a run. Where only some of its lines are wanted and others cannot be opened, it is opened with the wanted ones alone.
 * @param options lines: wanted ones, places from 0; alone: do not try the others
 * @throws TristageError of kind `data` when a wanted line cannot be opened
 */
export async function openChosen(
  run: ResolvedRun,
  { lines, alone, logger }: { lines: readonly number[]; alone: boolean; logger: Logger },
): Promise<OpenedChoice> {
  const { config, registry } = run;
  const pieces = inheritedPieces(config, { parent: await trainedParent(run) });
  const notes = vocabularyNotes(run, pieces);
  const some = lines.length < config.data.mixture.sources.length;
  const openAlone = async (): Promise<OpenedChoice> => {
    const data = await openData(withLines(run, lines), registry, pieces);
    return { data, lines: [...lines.keys()], notes: [ALONE, ...notes] };
  };
  if (some && alone) return openAlone();
  try {
    return { data: await openData(config, registry, pieces), lines, notes };
  } catch (error) {
    if (!(some && error instanceof TristageError && error.kind === 'data')) throw error;
    const opened = await openAlone();
    logger.warn(`other sources of the mixture cannot be opened (${error.code}): ${error.message}`);
    return opened;
  }
}

const ALONE =
  'Other sources of the mixture are not open. These samples are drawn as if they were all there is: the run will have others beside them.';

function withLines({ config }: ResolvedRun, lines: readonly number[]): ResolvedRun['config'] {
  const { mixture } = config.data;
  const sources = mixture.sources.filter((_, place) => lines.includes(place));
  return { ...config, data: { ...config.data, mixture: { ...mixture, sources } } };
}

/** A pruned vocabulary comes from the first stage; before that is trained, ids are not yet what they will be. */
function vocabularyNotes({ config }: ResolvedRun, pieces: readonly number[] | undefined): string[] {
  if (config.model.vocabulary !== 'pruned' || config.init === undefined || pieces !== undefined) return [];
  if (existsSync(config.init.from)) return [];
  return [
    `The run starts from ${config.init.from}, which is not there yet. Its vocabulary is taken from this run's own texts, so ids will differ.`,
  ];
}
