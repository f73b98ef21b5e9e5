/** `tristage bench data`: images from tars to packed batches, against Python's webdataset with Pillow on the same tars and cores. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TristageError } from '../../../core/errors.ts';
import { sha256 } from '../../../core/hash.ts';
import { cacheDir } from '../../../core/paths.ts';
import { IMAGE_MEAN, IMAGE_STD, type ImageTransform } from '../../../data/image.ts';
import { imageThreads } from '../../../data/image-threads.ts';
import { llama2Pieces } from '../../../data/tokenizer.ts';
import { loaderOptions } from '../../../engine/probe-run.ts';
import { measurePaired, type PairedResult, type Spread, spreadOf } from '../paired.ts';
import { type Peer, startPeer } from '../peer.ts';
import { startPython } from '../sides.ts';
import type { DataCase, Look, Pass } from './case.ts';
import { type Cores, sameCores } from './cores.ts';
import { PHOTOS_REVISION, photoShards, writePhotos } from './photos.ts';
import { pythonWithPillow } from './python.ts';
import { sentencePieceFile } from './vocabulary-file.ts';

export interface DataBenchOptions {
  /** URL of a module that exports `registry`, the sources; our side runs in a process of its own. */
  registry: string;
  /** Photos; rounded down to whole batches. Default 2,000. */
  images?: number | undefined;
  /** Rounds of the paired measurement; default 5. */
  rounds?: number | undefined;
  /** Processors, and threads or processes on them; default 2. */
  threads?: number | undefined;
  /** Cases whose name contains this. */
  filter?: string | undefined;
  log?: ((line: string) => void) | undefined;
}

export interface DataBenchCase {
  name: ImageTransform;
  /** `ratio` is theirs divided by ours, in seconds of an image: above 1, we are faster. */
  speed: { ratio: number; spread: Spread; oursSeconds: Spread; theirsSeconds: Spread };
  /** The same of user and system time, which other programs on the machine disturb less. */
  cpu: { ratio: number; oursSeconds: Spread; theirsSeconds: Spread };
  /** Photos whose square was compared, and those that are the same bytes as Pillow's. */
  pixels: { compared: number; equal: number };
}

export interface DataBenchReport {
  cores: number;
  threads: number;
  rounds: number;
  images: number;
  /** What ran, by name. */
  versions: Readonly<Record<string, string>>;
  cases: DataBenchCase[];
}

/** The square that MiniGPT-v2's tower takes, its tokens, and rows that hold six photos. */
const SHAPE = { size: 448, imageTokens: 256, maxTokens: 2048, batch: 16 } as const;
const TRANSFORMS: readonly ImageTransform[] = ['pillow-bicubic', 'sharp-cubic'];
/** Photos whose pixels and tokens are compared before anything is timed. */
const COMPARED = 64;
/** Photos before the first round, so that compilers and caches are warm. */
const WARM = 128;

/**
 * Both transforms of ours, each against Pillow's bicubic.
 * @throws TristageError E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER; E_BENCH_TOKENS when the sides do not make the same tokens
 */
export async function benchData(options: DataBenchOptions): Promise<DataBenchReport> {
  const { rounds = 5, threads = 2, filter = '', log } = options;
  const images = Math.max(1, Math.floor((options.images ?? 2000) / SHAPE.batch)) * SHAPE.batch;
  const python = await pythonWithPillow(log);
  const cores = await sameCores(threads);
  const folder = await photosFolder(images, log);
  const work = await mkdtemp(join(tmpdir(), 'tristage-bench-'));
  try {
    const vocabulary = join(work, 'tokenizer.model');
    await writeFile(vocabulary, sentencePieceFile(await llama2Pieces()));
    const report: DataBenchReport = { cores: cores.count, threads, rounds, images, versions: {}, cases: [] };
    for (const transform of TRANSFORMS.filter((name) => name.includes(filter))) {
      const dataCase: DataCase = {
        ...SHAPE,
        shards: photoShards(folder),
        folder,
        vocabulary,
        cache: join(work, 'index'),
        transform,
        threads,
        mean: IMAGE_MEAN,
        std: IMAGE_STD,
      };
      const path = join(work, `${transform}.json`);
      await writeFile(path, JSON.stringify(dataCase));
      const result = await benchCase(transform, { ...options, path, python, cores, rounds, images });
      report.versions = result.versions;
      report.cases.push(result.found);
      log?.(`${transform}: speed ratio ${result.found.speed.ratio.toFixed(2)}`);
    }
    return report;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The photos in the cache; made once. */
async function photosFolder(images: number, log?: (line: string) => void): Promise<string> {
  const { sharp, libvips } = imageThreads();
  const key = sha256(JSON.stringify([PHOTOS_REVISION, images, sharp, libvips])).slice(0, 16);
  const folder = join(cacheDir(), 'bench-photos', key);
  if (!existsSync(folder)) {
    log?.(`making ${images} photos in ${folder}`);
    await writePhotos(folder, images, log);
  }
  return folder;
}

interface CaseRequest extends DataBenchOptions {
  path: string;
  python: string;
  cores: Cores;
  rounds: number;
  images: number;
}

async function benchCase(
  name: ImageTransform,
  { path, python, cores, registry, rounds, images }: CaseRequest,
): Promise<{ found: DataBenchCase; versions: Record<string, string> }> {
  const own = fileURLToPath(new URL(`../data-worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url));
  const ours = startPeer('tristage data', [...cores.prefix, process.execPath, ...loaderOptions(), own, path, registry]);
  const theirs = startPython([...cores.prefix, python], 'data.py', [path]);
  try {
    const versions = await versionsOf(ours, theirs);
    const pixels = await compare(ours, theirs, images);
    const warm = Math.min(WARM, images);
    await ours.ask({ do: 'pass', images: warm });
    await theirs.ask({ do: 'pass', images: warm });
    const cpu = { ours: [] as number[], theirs: [] as number[] };
    const timed = (peer: Peer, times: number[]) => async () => {
      const pass = await peer.ask<Pass>({ do: 'pass', images });
      times.push(pass.cpu / pass.images);
      return [pass.seconds / pass.images];
    };
    const result = await measurePaired({ rounds, ours: timed(ours, cpu.ours), theirs: timed(theirs, cpu.theirs) });
    return { versions, found: { name, speed: speedOf(result), cpu: cpuOf(cpu), pixels } };
  } finally {
    await Promise.all([ours.close(), theirs.close()]);
  }
}

async function versionsOf(ours: Peer, theirs: Peer): Promise<Record<string, string>> {
  const { node, sharp } = await ours.ask<{ node: string; sharp: string }>({ do: 'describe' });
  const other = await theirs.ask<{ python: string; versions: Record<string, string> }>({ do: 'describe' });
  return { node, sharp, python: other.python, ...other.versions };
}

/** Holds what the sides make of the same photos against each other. */
async function compare(ours: Peer, theirs: Peer, images: number): Promise<DataBenchCase['pixels']> {
  // Both begin with the first tar.
  const count = Math.min(COMPARED, Math.floor(images / photoShards('').length));
  const a = await ours.ask<Look>({ do: 'look', count });
  const b = await theirs.ask<Look>({ do: 'look', count });
  const keys = Object.keys(a);
  const other = keys.find((key) => JSON.stringify(a[key]?.tokens) !== JSON.stringify(b[key]?.tokens));
  if (other !== undefined) throw otherTokens(other, a[other]?.tokens, b[other]?.tokens);
  return { compared: keys.length, equal: keys.filter((key) => a[key]?.pixels === b[key]?.pixels).length };
}

function otherTokens(key: string, ours?: readonly number[], theirs?: readonly number[]): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_BENCH_TOKENS',
    message: 'the two sides of the benchmark do not do the same work',
    where: `photo ${key}`,
    found: `tokens ${ours?.join(' ')}`,
    expected: `tokens ${theirs?.join(' ') ?? 'of the same photo'}`,
  });
}

function speedOf({ ours, theirs, ratio }: PairedResult): DataBenchCase['speed'] {
  return { ratio: ratio.median, spread: ratio, oursSeconds: ours, theirsSeconds: theirs };
}

function cpuOf(times: { ours: readonly number[]; theirs: readonly number[] }): DataBenchCase['cpu'] {
  const [ours, theirs] = [spreadOf(times.ours), spreadOf(times.theirs)];
  return { ratio: theirs.median / ours.median, oursSeconds: ours, theirsSeconds: theirs };
}

/** The report as lines for a terminal. */
export function renderDataBench({ cores, threads, rounds, images, versions, cases }: DataBenchReport): string {
  const ran = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${images} photos from tars to packed batches of float pixels at ${SHAPE.size}; ${threads} threads and ${threads} processes on the same ${cores} cores; ${rounds} rounds, A B A B`,
    'speed, cpu = theirs / ours by image; cpu is user and system time',
  ];
  for (const { name, speed, cpu, pixels } of cases) {
    const perSecond = (spread: Spread) => (1 / spread.median).toFixed(0);
    const ms = (spread: Spread) => (spread.median * 1000).toFixed(2);
    lines.push(
      `${name.padEnd(15)} speed ${speed.ratio.toFixed(2)} (${speed.spread.min.toFixed(2)}-${speed.spread.max.toFixed(2)})` +
        `  ours ${perSecond(speed.oursSeconds)} images/s  theirs ${perSecond(speed.theirsSeconds)}` +
        `  cpu ${cpu.ratio.toFixed(2)}: ours ${ms(cpu.oursSeconds)} ms, theirs ${ms(cpu.theirsSeconds)} ms` +
        `  pixels equal to Pillow's: ${pixels.equal} of ${pixels.compared}`,
    );
  }
  return [...lines, `[${ran.join(', ')}]`].join('\n');
}
