/** Web data sets: tars whose neighbouring members with one key form a sample (WebDataset), spread over numbered shards. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { openByteFile } from './file-bytes.ts';
import { indexTar, readMember, type TarMember } from './tar.ts';
import { isCompressedTar, plainTar } from './tar-gzip.ts';

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
 * The shards that a root names: a pattern with braces, one tar, or a folder whose tars, compressed by gzip or not, are taken in order
 * of name.
 * @throws TristageError E_SHARDS for a bad pattern or a folder that is missing or has no tar
 */
export async function listShards(root: string): Promise<string[]> {
  if (root.includes('{') || isTar(root)) return expandBraces(root);
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    throw badShards(
      root,
      error.code ?? error.message,
      'a folder of tar files, or a pattern such as {00000..00041}.tar',
    );
  });
  const tars = names.filter((name) => isTar(name) && !name.startsWith('.')).sort();
  if (tars.length === 0) throw badShards(root, 'no file ends in .tar, .tar.gz or .tgz', 'tar shards');
  return tars.map((name) => join(root, name));
}

function isTar(path: string): boolean {
  return path.endsWith('.tar') || isCompressedTar(path);
}

/** An open tar with its samples; closed by whoever opened it. */
export interface OpenShard {
  readonly samples: readonly ShardSample[];
  /** Members that belong to no sample. */
  readonly loose: readonly TarMember[];
  close(): Promise<void>;
}

/** One sample and the means to read it while its shard is open. */
export interface ShardSample {
  readonly key: string;
  /** Where a member lies in the tar; of a compressed one in what it unpacks to. */
  member(extension: string): TarMember | undefined;
  /** What errors call a member: `folder/00000.tar/000000012.jpg`. */
  nameOf(extension: string): string;
  /**
   * The bytes of one member.
   * @returns undefined when the sample has no such member
   * @throws TristageError E_FILE_READ, E_TAR_MEMBER for more than 1 GiB
   */
  read(extension: string): Promise<Uint8Array | undefined>;
}

/**
 * Scans the headers of a shard; a compressed one is unpacked into the cache first.
 * @throws TristageError of kind data, see indexTar, {@link groupTarMembers} and plainTar
 */
export async function openShard(path: string): Promise<OpenShard> {
  const plain = await plainTar(path);
  const { samples, loose } = groupTarMembers(await indexTar(plain), path);
  const file = await openByteFile(plain);
  const sampleOf = ({ key, members }: TarSample): ShardSample => ({
    key,
    member: (extension) => members.get(extension),
    nameOf: (extension) => join(path, members.get(extension)?.name ?? `${key}.${extension}`),
    read: async (extension) => {
      const member = members.get(extension);
      return member === undefined ? undefined : readMember(file, member);
    },
  });
  return { samples: samples.map(sampleOf), loose, close: () => file.close() };
}
