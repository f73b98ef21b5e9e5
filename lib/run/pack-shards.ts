/** `tristage data pack`: the samples of a source written into tars. */

import { resolve } from 'node:path';
import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { withLock } from '../data/index/lock.ts';
import { type ShardLimit, writeShards } from '../data/shards/write-shards.ts';
import type { Registry } from './config.ts';
import { packageVersion } from './facts.ts';
import { findSource, sourceOptions, usage } from './named-source.ts';
import { openSourceLine } from './open-source.ts';
import type { Display } from './progress.ts';

export interface PackRequest {
  /** Name of the source, or one of its other names. */
  source: string;
  /** Needed by every source that reads files. */
  root?: string | undefined;
  /** `key=value` for options of the source. */
  set: readonly string[];
  /** An index that was prepared. */
  index?: string | undefined;
  /** Folder of the shards. */
  out: string;
  limit: ShardLimit;
  registry: Registry;
  logger: Logger;
  display?: Display | undefined;
  signal?: AbortSignal;
}

/** What `--json` prints. */
export interface Packed {
  source: string;
  /** Folder of the shards. */
  out: string;
  shards: number;
  /** Keys: images, and records without an image. */
  samples: number;
  /** Samples of the source. */
  records: number;
  images: number;
  bytes: number;
  rejected: number;
  byReason: Record<string, number>;
  /** False when the shards were there and are those of the source. */
  written: boolean;
}

/**
 * Limits as the command line gives them.
 * @throws TristageError E_USAGE for numbers that limit nothing
 */
export function shardLimit({ mib, samples }: { mib: number | undefined; samples: number | undefined }): ShardLimit {
  if (mib !== undefined && !(mib > 0 && mib * 2 ** 20 <= Number.MAX_SAFE_INTEGER)) {
    throw usage(`--shard-mb ${mib}`, 'give a positive number of MiB');
  }
  if (samples !== undefined && !(Number.isSafeInteger(samples) && samples > 0)) {
    throw usage(`--shard-samples ${samples}`, 'give a positive whole number');
  }
  return { bytes: mib === undefined ? undefined : Math.ceil(mib * 2 ** 20), samples };
}

/**
 * Packs a source.
 * @throws TristageError E_USAGE for an unknown source or option, and those of opening the source and of `writeShards`
 */
export async function runPack(request: PackRequest): Promise<Packed> {
  const { source: name, set, index, limit, registry, logger, display, signal } = request;
  const source = findSource(name, registry);
  const { options } = sourceOptions(source, { name, set });
  if (request.root === undefined && source.embedded !== true) {
    throw usage(`source ${source.name} needs --root`, 'name the folder of its files');
  }
  const line = {
    ...options,
    source: source.name,
    root: resolve(request.root ?? '.'),
    ...(index !== undefined && { index }),
  };
  const opened = await openSourceLine(line, { registry, info: logger.info });
  const out = resolve(request.out);
  try {
    const { manifest, written } = await withLock(`${out}.lock`, {
      work: () =>
        writeShards({
          source: opened,
          folder: out,
          limit,
          tool: `tristage ${packageVersion()}`,
          onResume: (shards) => logger.info(`${shards} shards are there from an earlier attempt; going on behind them`),
          onProgress: ({ shards, seen, length, bytes }) => {
            const text = `${shards} shards, ${seen} of ${length} samples, ${Math.round(bytes / 2 ** 20)} MiB`;
            if (display === undefined) logger.info(text);
            else display.status(text);
          },
          signal,
        }),
      onWait: () => logger.info('another process is writing these shards; waiting for it'),
      signal,
    });
    if (!written) logger.info(`the shards in ${out} are those of the source already`);
    const byReason = Object.fromEntries(manifest.rejections.map(({ reason, count }) => [reason, count]));
    const rejected = Object.values(byReason).reduce((sum, count) => sum + count, 0);
    const { samples, records, images, bytes, shards } = manifest;
    return {
      source: source.name,
      out,
      shards: shards.length,
      samples,
      records,
      images,
      bytes,
      rejected,
      byReason,
      written,
    };
  } catch (error) {
    throw diskError(error, out);
  } finally {
    display?.status(undefined);
  }
}

/** A full disk and a place that cannot be written, as coded errors; anything else as it is. */
function diskError(error: unknown, where: string): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof TristageError || code === undefined || syscall === undefined) return error;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new TristageError({
    kind: full ? 'resources' : 'usage',
    code: full ? 'E_DISK_FULL' : 'E_OUT',
    message: full ? 'there is no room for the shards' : 'the shards cannot be written there',
    where,
    found: message,
    expected: full ? 'free space' : 'a folder that this process may write',
    fix: full ? 'free some; the same command goes on where this one stopped' : 'choose another --out',
    cause: error,
  });
}
