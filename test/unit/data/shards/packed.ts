/** Packing for tests, and reading back what was packed. */
import { join } from 'node:path';
import { webdataset } from '../../../../datasets/webdataset.ts';
import { openIndexed } from '../../../../lib/data/index/ensure.ts';
import { isRowSource } from '../../../../lib/data/row-source.ts';
import type { Sample } from '../../../../lib/data/sample.ts';
import { type WriteShardsRequest, writeShards } from '../../../../lib/data/shards/write-shards.ts';
import type { OpenSource } from '../../../../lib/data/source.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

export type PackOptions = Partial<Omit<WriteShardsRequest, 'source'>>;

/** Writes shards into a new folder, or the one that the options name. */
export async function pack(source: OpenSource, options: PackOptions = {}) {
  const folder = options.folder ?? join(temporaryFolder('tristage-shards-'), 'out');
  return { folder, ...(await writeShards({ limit: {}, tool: 'test', ...options, source, folder })) };
}

/** The shards as a training run reads them: through their index, every image looked at. */
export async function readBack(folder: string, task?: string): Promise<OpenSource> {
  if (!isRowSource(webdataset)) throw new Error('webdataset has rows');
  const place = { index: join(temporaryFolder('tristage-shards-'), 'index') };
  const plan = webdataset.plan({ root: folder, ...(task === undefined ? {} : { task }) });
  return (await openIndexed(plan, { place, verify: 'headers', tool: 'test', info: () => undefined })).source;
}

/** What of a sample goes through shards: all but the name of its source, the place of its image, and what only evaluation knows. */
export function lasting({ id, task, turns, boxes = [] }: Sample) {
  return { id, task, turns, boxes };
}
