/**
 * Web data sets: tars whose neighbouring members with one key form a sample (WebDataset), spread over numbered shards. All
 * headers are scanned once; then any sample of any shard is at hand by its index.
 */

import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { indexTar, readTarMember, type TarMember } from './tar.ts';

/** Members that share the name up to the first dot of its last part. */
export interface TarSample {
  /** Name up to the first dot of its last part, folders included. */
  readonly key: string;
  /** By what follows that dot, in lower case: `jpg`, `json`, `seg.png`. */
  readonly members: ReadonlyMap<string, TarMember>;
}

/** What a tar holds in the eyes of a data set. */
export interface GroupedTar {
  readonly samples: readonly TarSample[];
  /** Members that belong to no sample: names without a dot, or that start with one. */
  readonly loose: readonly TarMember[];
}

const MAX_SHARDS = 1_000_000;
const NAME = /^((?:.*\/)?[^./]+)\.([^/]+)$/s;

/**
 * Groups members as WebDataset does.
 * @param members in archive order
 * @param path names the archive in errors
 * @throws TristageError E_TAR_SAMPLE when one sample names an extension twice or the members of one key are not neighbours
 */
export function groupTarMembers(members: readonly TarMember[], path: string): GroupedTar {
  const samples: { key: string; members: Map<string, TarMember> }[] = [];
  const loose: TarMember[] = [];
  const seen = new Set<string>();
  for (const member of members) {
    const [, key, extension] = NAME.exec(member.name) ?? [];
    if (key === undefined || extension === undefined) {
      loose.push(member);
      continue;
    }
    if (samples.at(-1)?.key !== key) {
      if (seen.has(key))
        throw badSample(path, `members of ${key} in two places`, 'the members of a sample side by side');
      seen.add(key);
      samples.push({ key, members: new Map() });
    }
    const own = (samples.at(-1) as { members: Map<string, TarMember> }).members;
    const kind = extension.toLowerCase();
    if (own.has(kind)) throw badSample(path, `${key}.${kind} twice`, 'each extension of a sample once');
    own.set(kind, member);
  }
  return { samples, loose };
}

function badSample(path: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TAR_SAMPLE',
    message: 'the members of the tar archive do not form samples',
    where: path,
    found,
    expected,
    fix: 'make the archive again with its members sorted by name',
  });
}

/**
 * Expands `{00000..00041}` (kept at its width) and `{a,b}` in a path; several may stand in one path.
 * @throws TristageError E_SHARDS for an open brace, a range that runs down, or more than a million paths
 */
export function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  const close = pattern.indexOf('}', open);
  const inner = close < 0 ? '' : pattern.slice(open + 1, close);
  const choices = choicesOf(inner);
  if (choices === undefined) {
    throw badShards(pattern, `{${close < 0 ? pattern.slice(open + 1) : inner}}`, '{00000..00041} or {a,b}');
  }
  const tails = expandBraces(pattern.slice(close + 1));
  if (choices.length * tails.length > MAX_SHARDS) throw badShards(pattern, 'more than a million shards', 'fewer');
  return choices.flatMap((choice) => tails.map((tail) => pattern.slice(0, open) + choice + tail));
}

function choicesOf(inner: string): string[] | undefined {
  const range = /^(\d{1,15})\.\.(\d{1,15})$/.exec(inner);
  if (range === null) return inner.includes(',') && !inner.includes('{') ? inner.split(',') : undefined;
  const [first, last] = [Number(range[1]), Number(range[2])];
  if (last < first || last - first >= MAX_SHARDS) return undefined;
  const padded = [range[1], range[2]].some(
    (bound) => (bound as string).length > 1 && (bound as string).startsWith('0'),
  );
  const width = padded ? Math.max((range[1] as string).length, (range[2] as string).length) : 0;
  return Array.from({ length: last - first + 1 }, (_, step) => String(first + step).padStart(width, '0'));
}

function badShards(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SHARDS',
    message: 'the tar shards are not there',
    where,
    found,
    expected,
    fix: 'check the root of the source in the config',
  });
}

/**
 * The shards that a root names: a pattern with braces, one tar, or a folder whose `*.tar` files are taken in order of name.
 * @throws TristageError E_SHARDS for a bad pattern or a folder that is missing or has no tar
 */
export async function listShards(root: string): Promise<string[]> {
  if (root.includes('{') || root.endsWith('.tar')) return expandBraces(root);
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    throw badShards(
      root,
      error.code ?? error.message,
      'a folder of tar files, or a pattern such as {00000..00041}.tar',
    );
  });
  const tars = names.filter((name) => name.endsWith('.tar') && !name.startsWith('.')).sort();
  if (tars.length === 0) throw badShards(root, 'no file ends in .tar', 'tar shards');
  return tars.map((name) => join(root, name));
}

/** Open shards. */
export interface ShardedSamples {
  readonly shards: readonly string[];
  /** Samples of all shards together. */
  readonly length: number;
  /** Members that belong to no sample. */
  readonly loose: number;
  /** Equal for equal names, places and sizes of all members of all shards, wherever the folder lies. */
  readonly fingerprint: string;
  /**
   * @param index 0 <= index < length
   * @throws RangeError outside
   */
  at(index: number): ShardedSample;
}

/** One sample and the means to read it. */
export interface ShardedSample {
  readonly key: string;
  readonly shard: string;
  has(extension: string): boolean;
  /** What errors call a member: `folder/00000.tar/000000012.jpg`. */
  nameOf(extension: string): string;
  /**
   * The bytes of one member.
   * @returns undefined when the sample has no such member
   */
  read(extension: string): Promise<Uint8Array | undefined>;
}

/**
 * Scans the headers of all shards.
 * @param root as for {@link listShards}
 * @throws TristageError of kind data, see {@link listShards}, indexTar and {@link groupTarMembers}
 */
export async function openShards(root: string): Promise<ShardedSamples> {
  const shards = await listShards(root);
  const tars: GroupedTar[] = [];
  const starts: number[] = [];
  const parts: string[] = [];
  let length = 0;
  for (const path of shards) {
    const members = await indexTar(path);
    parts.push(basename(path), ...members.map(({ name, offset, size }) => `${name}\t${offset}\t${size}`));
    const tar = groupTarMembers(members, path);
    tars.push(tar);
    starts.push(length);
    length += tar.samples.length;
  }
  const at = (index: number): ShardedSample => {
    if (!(Number.isInteger(index) && index >= 0 && index < length)) {
      throw new RangeError(`sample ${index} of ${length}`);
    }
    const shard = lastAtMost(starts, index);
    const sample = (tars[shard] as GroupedTar).samples[index - (starts[shard] as number)] as TarSample;
    return sampleOf(shards[shard] as string, sample);
  };
  const loose = tars.reduce((sum, tar) => sum + tar.loose.length, 0);
  return { shards, length, loose, fingerprint: sha256(parts.join('\n')), at };
}

/** The last place whose start is at most `index`; shards without samples are passed over. */
function lastAtMost(starts: readonly number[], index: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] as number) <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

function sampleOf(shard: string, { key, members }: TarSample): ShardedSample {
  return {
    key,
    shard,
    has: (extension) => members.has(extension),
    nameOf: (extension) => join(shard, members.get(extension)?.name ?? `${key}.${extension}`),
    read: async (extension) => {
      const member = members.get(extension);
      return member === undefined ? undefined : readTarMember(shard, member);
    },
  };
}
