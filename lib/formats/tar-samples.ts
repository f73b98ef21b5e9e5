/** Web data sets: tars whose neighbouring members with one key form a sample (WebDataset), spread over numbered shards. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { badShards, expandBraces } from './braces.ts';
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
  /** Members that belong to no sample: names without a dot, that start with one, or below a folder `__word__`. */
  readonly loose: readonly TarMember[];
}

const NAME = /^((?:.*\/)?[^./]+)\.([^/]+)$/s;
/** WebDataset keeps facts about a tar in members of such names. */
const ABOUT = /^__[^/]*__($|\/)/;

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
    const [, key, extension] = ABOUT.test(member.name) ? [] : (NAME.exec(member.name) ?? []);
    if (key === undefined || extension === undefined) {
      loose.push(member);
      continue;
    }
    if (samples.at(-1)?.key !== key) {
      if (seen.has(key))
        throw badSample(path, `members of ${key} in two places`, {
          member,
          expected: 'the members of a sample side by side',
        });
      seen.add(key);
      samples.push({ key, members: new Map() });
    }
    const own = (samples.at(-1) as { members: Map<string, TarMember> }).members;
    const kind = extension.toLowerCase();
    if (own.has(kind))
      throw badSample(path, `${key}.${kind} twice`, { member, expected: 'each extension of a sample once' });
    own.set(kind, member);
  }
  return { samples, loose };
}

function badSample(
  path: string,
  found: string,
  { member, expected }: { member: TarMember; expected: string },
): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TAR_SAMPLE',
    message: 'the members of the tar archive do not form samples',
    where: path,
    found: `${found}, at byte ${member.offset}`,
    expected,
    fix: 'make the archive again with its members sorted by name',
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
