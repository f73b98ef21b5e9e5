/** Mixtures of any size without files: sources that make each row from its number. */
import type { LoaderLine } from '../../../data/loader.ts';
import type { OpenSource } from '../../../data/source.ts';

/** Shares of the sources of a mixture. */
const SHARES = [0.4, 0.3, 0.2, 0.1] as const;

/** Questions without images, so that finding and encoding rows is all that is measured. */
function syntheticSource(place: number, length: number): OpenSource {
  const name = `synthetic-${place}`;
  return {
    name,
    length,
    fingerprint: `${name} ${length}`,
    notes: [],
    get: async (index) => ({
      id: String(index),
      source: name,
      task: 'conversation',
      turns: [{ question: `what comes after ${index % 1000}?`, answer: `${(index % 1000) + 1}, and then the next` }],
    }),
  };
}

/** The lines of a mixture of so many rows. */
export function syntheticMixture(rows: number): LoaderLine[] {
  return SHARES.map((share, place) => ({ source: syntheticSource(place, Math.round(rows * share)), rate: 1 + place }));
}
