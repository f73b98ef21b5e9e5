/** Shared by the tests of sources over published files. */

import type { Sample } from '../../../lib/data/sample.ts';
import type { OpenSource, Source } from '../../../lib/data/source.ts';
import type { Pick } from '../../../lib/data/task.ts';

/** The first of every choice, as evaluation draws. */
export const first: Pick = () => 0;

/** Draws what a list says, 0 after its end. */
export function drawing(...draws: number[]): Pick {
  let place = 0;
  return () => draws[place++] ?? 0;
}

/** Every sample of a source. */
export async function samplesOf(source: OpenSource, pick: Pick = first): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let index = 0; index < source.length; index++) samples.push(await source.get(index, pick));
  return samples;
}

type OpenOptions = Parameters<Source['open']>[0];

/** Opens a source and reads all of it. */
export async function opened(source: Source, options: OpenOptions): Promise<Sample[]> {
  return samplesOf(await source.open(options));
}
