/** Published files of a run that goes on: they must be those that it began with. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TristageError } from '../core/errors.ts';
import { fileError } from '../formats/file-bytes.ts';
import { RUN_FILES } from './run-folder.ts';
import type { ExternalFile } from './weights.ts';

/** What run.json says of the files. */
const recorded = z.object({ weights: z.array(z.object({ path: z.string(), part: z.string(), sha256: z.string() })) });

/**
 * Compares the files that were read with those that run.json names. Where they lie does not matter.
 * @param folder run folder
 * @returns the error of the first file that is another one, E_RESUME_WEIGHTS; or of a run.json that cannot be read
 */
export async function strangeWeights(
  folder: string,
  external: readonly ExternalFile[],
): Promise<TristageError | undefined> {
  const path = join(folder, RUN_FILES.run);
  const known = await readFile(path, 'utf8')
    .then((text) => recorded.parse(JSON.parse(text)).weights)
    .catch((error: Error) => error);
  if (known instanceof Error) {
    return weightsError(path, {
      message: 'what this run was started with cannot be read',
      found: known.message.split('\n')[0] ?? '',
      expected: 'the run.json that it wrote',
    });
  }
  const stranger = external.find(
    ({ part, sha256 }) => !known.some((one) => one.part === part && one.sha256 === sha256),
  );
  if (stranger === undefined) return undefined;
  const before = known.filter(({ part }) => part === stranger.part);
  return weightsError(stranger.path, {
    message: 'a file of weights is another one than this run was started with',
    found: `SHA-256 ${stranger.sha256}`,
    expected: before.map((one) => `${one.sha256} of ${one.path}`).join(' or ') || `no file for ${stranger.part}`,
  });
}

function weightsError(where: string, facts: { message: string; found: string; expected: string }): TristageError {
  return fileError(where, {
    code: 'E_RESUME_WEIGHTS',
    ...facts,
    fix: 'resume with the weights of the run, wherever they lie now, or start another run in another folder',
  });
}
