/** `tristage prepare`: the index of one source, made or brought up to date. */

import { resolve } from 'node:path';
import type { Logger } from '../core/log.ts';
import { createImageWorkers } from '../data/image-workers.ts';
import { openIndexed } from '../data/index/ensure.ts';
import type { Verify } from '../data/index/manifest.ts';
import { isRowSource, type RowSource } from '../data/row-source.ts';
import type { Registry } from './config.ts';
import { packageVersion } from './facts.ts';
import { findSource, sourceOptions, usage } from './named-source.ts';
import { prepareProgress } from './prepare-progress.ts';
import type { Display } from './progress.ts';

export type { Verify };

export interface PrepareRequest {
  /** Name of the source, or one of its other names. */
  source: string;
  root: string;
  /** `key=value` for options of the source. */
  set: readonly string[];
  /** A file that is made first, of a source whose publisher did not release all. */
  build?: string | undefined;
  /** Folder of the index. */
  out: string;
  verify: Verify;
  registry: Registry;
  logger: Logger;
  display?: Display | undefined;
  signal?: AbortSignal;
}

/** What `--json` prints. */
export interface Prepared {
  source: string;
  rows: number;
  rejected: number;
  byReason: Record<string, number>;
  /** Folder of the index. */
  index: string;
  fingerprint: string;
  /** False when the index was there and is still true. */
  built: boolean;
}

/** Decoding for its own sake needs no more of the pixels than that they are there. */
const DECODED_SIZE = 16;

/**
 * Prepares a source.
 * @throws TristageError E_USAGE for an unknown source or option, and those of `ensureIndex`
 */
export async function runPrepare(request: PrepareRequest): Promise<Prepared> {
  const { logger, display, signal, verify } = request;
  const { source, options, making } = preparedSource(request);
  const made = await makeFile(source, { request, options: making });
  const plan = source.plan({ ...options, ...made, root: request.root });
  const workers = createImageWorkers({
    size: DECODED_SIZE,
    transform: 'sharp-cubic',
    threads: verify === 'decode' ? 2 : 0,
  });
  try {
    const {
      manifest,
      built,
      folder,
      source: opened,
      rejections,
    } = await openIndexed(plan, {
      place: { index: request.out },
      verify,
      decode: workers.load,
      tool: `tristage ${packageVersion()}`,
      info: logger.info,
      onResume: (rows) => logger.info(`${rows} rows are there from an earlier attempt; going on behind them`),
      onProgress: prepareProgress({ name: source.name, info: logger.info, display }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!built) logger.info(`the index in ${folder} is up to date`);
    const byReason: Record<string, number> = {};
    for (const { reason, count } of [...manifest.rejections, ...rejections]) {
      byReason[reason] = (byReason[reason] ?? 0) + count;
    }
    const rejected = Object.values(byReason).reduce((sum, count) => sum + count, 0);
    const { length: rows, fingerprint } = opened;
    return { source: source.name, rows, rejected, byReason, index: folder, fingerprint, built };
  } finally {
    display?.status(undefined);
    await workers.close();
  }
}

/** The source of the request, and its options; those of the making apart. */
function preparedSource({ source: name, set, build, registry }: PrepareRequest): {
  source: RowSource;
  options: Record<string, unknown>;
  making: Record<string, unknown>;
} {
  const source = findSource(name, registry);
  if (!isRowSource(source)) throw usage(`source ${name} needs no preparation`, 'name it in a run file as it is');
  const more = build === undefined ? [] : Object.keys(source.build?.options.shape ?? {});
  const { options, others } = sourceOptions(source, { name, set, more });
  return { source, options, making: others };
}

/** Makes the file that was asked for, and gives the option that names it. */
async function makeFile(
  source: RowSource,
  { request, options }: { request: PrepareRequest; options: Readonly<Record<string, unknown>> },
): Promise<Record<string, string>> {
  if (request.build === undefined) return {};
  if (source.build === undefined) {
    throw usage(`source ${source.name} makes no files`, 'leave --build out and give the published files as --root');
  }
  const { info, warn } = request.logger;
  const file = resolve(request.build);
  const { notes } = await source.build.run({ root: request.root, file, options, info });
  for (const note of notes) warn(note);
  info(`made ${file}`);
  return { [source.build.gives]: file };
}
