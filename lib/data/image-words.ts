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

/**
 * How much each word says of its image: its number of times there by its rarity, ln((N + 1) / images that have it), as in tf-idf
 * (Sparck Jones 1972). A word of every image, such as an article, tells nothing of any.
 * @param images words of each of N images
 * @returns a weight for each word of each image; those of an image sum to 1
 */
export function wordWeights(images: readonly Int32Array[]): Float32Array[] {
  const having = new Map<number, number>();
  for (const words of images) for (const word of new Set(words)) having.set(word, (having.get(word) ?? 0) + 1);
  return images.map((words) => {
    const rarity = Float32Array.from(words, (word) => Math.log((images.length + 1) / (having.get(word) as number)));
    const sum = rarity.reduce((total, value) => total + value, 0);
    return rarity.map((value) => value / sum);
  });
}
