/** What a batch says of each of its images. */

import type { LoadedBatch } from './loaded-batch.ts';
import { IMAGE_SLOT } from './sample.ts';

/**
 * The supervised words about each image: those of its row, or where rows are packed those of its group, and of its own branch where it
 * stands in one.
 * @param end id of the token that ends an answer; it says nothing
 * @returns for each image in the order of the batch, its words in their order; empty where nothing is said
 */
export function imageWords(
  { tokenIds, labels, shape, blocks }: Pick<LoadedBatch, 'tokenIds' | 'labels' | 'shape' | 'blocks'>,
  imageTokens: number,
  end: number,
): Int32Array[] {
  const [B, T] = shape;
  const images: Int32Array[] = [];
  for (let row = 0; row < B; row++) {
    const places = Array.from({ length: T }, (_, i) => row * T + i);
    const slots = places.filter((place) => tokenIds[place] === IMAGE_SLOT);
    const words = places.filter((place) => (labels[place] ?? -1) >= 0 && labels[place] !== end);
    for (let slot = 0; slot < slots.length; slot += imageTokens) {
      const image = slots[slot] as number;
      const branch = blocks?.branches[image] ?? 0;
      const own = words.filter(
        (place) =>
          blocks?.groups[place] === blocks?.groups[image] && (branch === 0 || blocks?.branches[place] === branch),
      );
      images.push(Int32Array.from(own, (place) => labels[place] as number));
    }
  }
  return images;
}
