/**
 * The weak form of emoji-scenes: web data sets as img2dataset writes them, with captions in the shape of LAION and grounded
 * phrases in the shape of GRIT, for the sources `laion` and `grit`. All scenes are of the training split.
 */

import { join } from 'node:path';
import sharp from 'sharp';
import { publishDirAtomic } from '../../lib/core/atomic.ts';
import { sha256 } from '../../lib/core/hash.ts';
import type { RawImage } from '../../lib/data/sample.ts';
import { type TarEntry, writeTar } from '../../lib/formats/tar-writer.ts';
import { sceneStream, USE } from './arrangement.ts';
import { type EmojiOptions, openScenes, type SceneSet } from './emoji-scenes.ts';
import { type LooseBox, looseBox, type Noise, type WeakCaption, weakCaption } from './weak-caption.ts';

export interface WeakShardOptions {
  /** Gets the folders `laion` and `grit`, each with `00000.tar` and on; they appear whole or not at all. */
  readonly dir: string;
  /** Tars in each folder. */
  readonly shards: number;
  /** 1 to 10000. */
  readonly samplesPerShard: number;
  readonly seed: number;
  /** Default: a third of the captions, edges off by a tenth of the object. */
  readonly noise?: Noise;
  /** Other options of the scenes, such as `classes` and `imageSize`. */
  readonly scenes?: Partial<Omit<EmojiOptions, 'split' | 'seed' | 'count'>>;
}

/** The folders that were written. */
export interface WeakShards {
  readonly laion: string;
  readonly grit: string;
}

const USUAL_NOISE: Noise = { captions: 0.33, boxes: 0.1 };
/** What img2dataset fits into one tar: a key has four digits for it. */
const MOST_SAMPLES = 10_000;
const JPEG_QUALITY = 92;
/** Share of phrases whose expression runs on to the end of the caption. */
const EXTENDED = 0.25;

/**
 * Writes both data sets; equal options give equal bytes.
 * @throws RangeError for numbers of shards or samples that have no keys
 */
export async function writeWeakShards(options: WeakShardOptions): Promise<WeakShards> {
  const { dir, shards, samplesPerShard, seed, noise = USUAL_NOISE } = options;
  if (!(samplesPerShard >= 1 && samplesPerShard <= MOST_SAMPLES && shards >= 1 && shards <= 100_000)) {
    throw new RangeError(`1 to 100000 shards of 1 to ${MOST_SAMPLES} samples, found ${shards} of ${samplesPerShard}`);
  }
  const set = await openScenes({ ...options.scenes, split: 'train', seed });
  const folders = { laion: join(dir, 'laion'), grit: join(dir, 'grit') };
  for (const [place, shape] of (['laion', 'grit'] as const).entries()) {
    await publishDirAtomic(folders[shape], async (folder) => {
      for (let shard = 0; shard < shards; shard++) {
        // The two data sets show different scenes.
        const first = (place * shards + shard) * samplesPerShard;
        const path = join(folder, `${String(shard).padStart(5, '0')}.tar`);
        await writeTar(path, entriesOf({ shape, set, noise, shard, first, count: samplesPerShard }));
      }
    });
  }
  return folders;
}

interface Shard {
  shape: 'laion' | 'grit';
  set: SceneSet;
  noise: Noise;
  shard: number;
  /** First scene. */
  first: number;
  count: number;
}

/** Images are encoded side by side, so many at once. */
const AT_ONCE = 16;

async function* entriesOf(shard: Shard): AsyncIterable<TarEntry> {
  for (let start = 0; start < shard.count; start += AT_ONCE) {
    const places = Array.from({ length: Math.min(AT_ONCE, shard.count - start) }, (_, step) => start + step);
    for (const entries of await Promise.all(places.map((place) => sampleEntries(shard, place)))) yield* entries;
  }
}

async function sampleEntries({ shape, set, noise, shard, first }: Shard, place: number): Promise<TarEntry[]> {
  const index = first + place;
  const scene = set.scene(index);
  const random = sceneStream(set.options, index, USE.noise);
  const names = set.art.kinds.map(({ name }) => name);
  const caption = weakCaption(scene, names, { noise, random: random.child(0) });
  const jpeg = await encodeJpeg(scene.image);
  const key = String(shard).padStart(5, '0') + String(place).padStart(4, '0');
  const common = recordOf({ key, index, caption: caption.text, size: set.options.imageSize, jpeg });
  const boxes = caption.phrases.map(({ group }, phrase) =>
    group.things.map(({ box }, thing) => looseBox(box, { noise, random: random.child(1, phrase, thing) })),
  );
  const columns = shape === 'laion' ? {} : gritColumns({ id: index, caption, boxes, random: random.child(2) });
  return [
    { name: `${key}.jpg`, content: jpeg },
    { name: `${key}.json`, content: JSON.stringify({ ...common, ...columns }) },
    { name: `${key}.txt`, content: caption.text },
  ];
}

function encodeJpeg({ pixels, width, height }: RawImage): Promise<Buffer> {
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
}

/** The columns that img2dataset gives every sample. */
function recordOf(sample: { key: string; index: number; caption: string; size: number; jpeg: Uint8Array }): object {
  const { key, index, caption, size, jpeg } = sample;
  return {
    url: `emoji-scenes:train/${index}`,
    caption,
    key,
    status: 'success',
    error_message: null,
    width: size,
    height: size,
    original_width: size,
    original_height: size,
    exif: '{}',
    sha256: sha256(jpeg),
  };
}

/** A span of the caption with one box: start, end, x1, y1, x2, y2, score. */
type Row = [number, number, number, number, number, number, number];

/** GRIT's own columns; row i of `ref_exps` widens row i of `noun_chunks` or repeats it. */
function gritColumns({
  id,
  caption,
  boxes,
  random,
}: {
  id: number;
  caption: WeakCaption;
  boxes: readonly (readonly LooseBox[])[];
  random: { uniform(index: number): number };
}): object {
  const nounChunks: Row[] = [];
  const refExps: Row[] = [];
  const length = [...caption.text].length;
  for (const [place, { start, end }] of caption.phrases.entries()) {
    const last = place === caption.phrases.length - 1;
    const widened = last && random.uniform(place) < EXTENDED ? length : end;
    for (const { box, score } of boxes[place] ?? []) {
      nounChunks.push([start, end, ...box, score]);
      refExps.push([start, widened, ...box, score]);
    }
  }
  // GRIT's CLIP similarities are left out: nothing here computes them.
  return { id, noun_chunks: nounChunks, ref_exps: refExps };
}
