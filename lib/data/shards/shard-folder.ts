/** A folder of shards: what its manifest says, and how far an interrupted writing came. */

import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isTemporaryName, removeTemporaries, writeFileAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';

const MANIFEST = 'manifest.json';
/** A line for each shard that is whole; gone when the manifest is there. */
const PROGRESS = 'progress.jsonl';
const FORMAT = 'tristage-shards';
const VERSION = 1;

const rejection = z.object({ reason: z.string(), count: z.int().min(1), examples: z.array(z.string()) });

const shard = z.strictObject({
  name: z.string().regex(/^shard-\d{5}\.tar$/),
  bytes: z.int().min(0),
  sha256: z.string(),
  /** Keys: images with their records, or records without an image. */
  samples: z.int().min(1),
  records: z.int().min(1),
  images: z.int().min(0),
  /** Index of the first sample of the source behind the shard. */
  next: z.int().min(1),
  rejections: z.array(rejection),
});

/** A shard that is whole. */
export type ShardFact = z.output<typeof shard>;

const manifest = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  tool: z.string(),
  source: z.string(),
  /** Equal keys mean equal shards. */
  key: z.string(),
  samples: z.int(),
  records: z.int(),
  images: z.int(),
  bytes: z.int(),
  rejections: z.array(rejection),
  shards: z.array(shard.omit({ next: true, rejections: true })),
});

/** What a finished folder says of itself. */
export type ShardManifest = z.output<typeof manifest>;

const heading = z.strictObject({ format: z.literal(FORMAT), version: z.literal(VERSION), key: z.string() });

/** What lies in a folder: nothing, some shards of the same data, or all of them. */
export type ShardFolder = { manifest: ShardManifest } | { shards: ShardFact[] };

/**
 * Looks at the folder that shards go into; what an interrupted writing left half done is removed.
 * @param key see `ShardManifest.key`
 * @throws TristageError E_OUT_FOREIGN for a folder with other files, E_SHARD_FOLDER for shards of other data or shards that have changed
 */
export async function openShardFolder(folder: string, key: string): Promise<ShardFolder> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw foreign(folder, error.code ?? error.message);
  });
  if (names.includes(MANIFEST)) return { manifest: await finished(folder, key) };
  const others = names.filter(
    (name) => name !== PROGRESS && !/^shard-\d{5}\.tar$/.test(name) && !isTemporaryName(name),
  );
  if (others.length > 0) throw foreign(folder, `other files, such as ${others[0]}`);
  if (!names.includes(PROGRESS)) {
    if (names.some((name) => !isTemporaryName(name))) throw foreign(folder, 'shards that nothing is known of');
    return { shards: [] };
  }
  const shards = await interrupted(folder, key);
  await removeTemporaries(folder);
  // A shard that was finished in the moment of the interruption is not listed; it is written again.
  const known = new Set(shards.map(({ name }) => name));
  for (const name of names)
    if (name.endsWith('.tar') && !known.has(name)) await rm(join(folder, name), { force: true });
  return { shards };
}

async function finished(folder: string, key: string): Promise<ShardManifest> {
  const path = join(folder, MANIFEST);
  const parsed = manifest.safeParse(parse(await readFile(path, 'utf8')));
  if (!parsed.success) throw foreign(folder, `${MANIFEST}, which is not that of shards`);
  if (parsed.data.key !== key) throw other(folder, `shards of ${parsed.data.source}, of other data or options`);
  await checkShards(folder, parsed.data.shards);
  return parsed.data;
}

async function interrupted(folder: string, key: string): Promise<ShardFact[]> {
  const path = join(folder, PROGRESS);
  // The last line may be half written.
  const [first, ...lines] = (await readFile(path, 'utf8')).split('\n').slice(0, -1).map(parse);
  if (first === undefined) return [];
  const head = heading.safeParse(first);
  if (!head.success) throw foreign(folder, `${PROGRESS}, which is not that of shards`);
  // Without a whole shard nothing of other data is there.
  if (lines.length === 0) return [];
  if (head.data.key !== key) throw other(folder, 'the beginning of shards of other data or options');
  const shards = z.array(shard).safeParse(lines);
  if (!shards.success) throw other(folder, `a damaged ${PROGRESS}`);
  await checkShards(folder, shards.data);
  return shards.data;
}

/** Hashing terabytes again would take hours; the size tells a shard that was cut short or replaced. */
async function checkShards(folder: string, shards: readonly Pick<ShardFact, 'name' | 'bytes'>[]): Promise<void> {
  for (const { name, bytes } of shards) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.size !== bytes) {
      throw other(folder, `${name} of ${found?.size ?? 'no'} bytes, where ${bytes} were written`);
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Writes down which data the shards of a folder are of, and which are there already: a half written line goes away. */
export async function startProgress(
  folder: string,
  { key, shards }: { key: string; shards: readonly ShardFact[] },
): Promise<void> {
  const lines = [{ format: FORMAT, version: VERSION, key }, ...shards].map((line) => `${JSON.stringify(line)}\n`);
  await writeFileAtomic(join(folder, PROGRESS), lines.join(''));
}

/** Forgets a writing that gave nothing. */
export async function dropProgress(folder: string): Promise<void> {
  await rm(join(folder, PROGRESS), { force: true });
}

/** Adds a shard that is whole. */
export async function addProgress(folder: string, fact: ShardFact): Promise<void> {
  const handle = await open(join(folder, PROGRESS), 'a');
  try {
    await handle.writeFile(`${JSON.stringify(fact)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Ends the writing: from now on the folder is finished. */
export async function finishShards(
  folder: string,
  facts: Omit<ShardManifest, 'format' | 'version'>,
): Promise<ShardManifest> {
  const whole: ShardManifest = { format: FORMAT, version: VERSION, ...facts };
  await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(whole, null, 2)}\n`);
  await rm(join(folder, PROGRESS), { force: true });
  return whole;
}

function foreign(where: string, found: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_OUT_FOREIGN',
    message: 'shards are not written beside what is there',
    where,
    found,
    expected: 'a folder that is empty or not there, or shards of the same data',
    fix: 'choose another --out',
  });
}

function other(where: string, found: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SHARD_FOLDER',
    message: 'the folder holds other shards',
    where,
    found,
    expected: 'shards of the same data and options, as they were written',
    fix: 'choose another --out, or remove this folder',
  });
}
