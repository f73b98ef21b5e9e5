/** Which parts of a run's model an export holds, and which stay in published files that it names by hash. */

import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { openWeights } from '../checkpoint/weights-file.ts';
import type { RunConfig } from '../config/schema.ts';
import { packageRoot } from '../core/paths.ts';
import type { ExportSubject } from '../export/format.ts';
import type { OutsidePart } from '../export/request.ts';
import { POS_EMBED, visionShapes } from '../model/shapes.ts';
import { modelConfigOf, weightsParts } from './model-config.ts';
import { VISION_FILES, type VisionFile } from './vision-file.ts';
import type { Assembled, ExternalFile } from './weights.ts';

type Held = Pick<Assembled, 'stored' | 'external'>;

/**
 * A part stays outside when a published file holds all of it and the checkpoint nothing. A vision tower that was trained here (it ships
 * with the package, or vision.json beside it says so) is taken along: nobody could fetch it.
 */
export async function exportedParts(
  config: RunConfig,
  { stored, external }: Held,
): Promise<Pick<ExportSubject, 'outside' | 'visionFile'>> {
  const outside: OutsidePart[] = [];
  let visionFile: string | undefined;
  for (const { key, shapes, optional } of weightsParts(modelConfigOf(config))) {
    const path = config.model.weights[key];
    const isHeld = [...shapes.keys()].some((name) => !optional(name) && stored.has(name));
    if (key === 'projector' || path === undefined || isHeld) continue;
    const files = external.filter(({ part }) => part === key);
    const [first] = files;
    if (key === 'vision' && first !== undefined && files.length === 1 && isOwnTower(first)) {
      visionFile = (await hasGridOf(config, first.path)) ? first.path : undefined;
    } else outside.push({ part: key, path, files: files.map((file) => fileIn(path, file)) });
  }
  return { outside, visionFile };
}

function fileIn(path: string, { path: file, sha256, bytes }: ExternalFile): OutsidePart['files'][number] {
  return { name: relative(path, file).replaceAll('\\', '/') || '.', sha256, bytes };
}

function isOwnTower({ path, sha256 }: ExternalFile): boolean {
  if (!relative(packageRoot(), resolve(path)).startsWith('..')) return true;
  try {
    const facts = JSON.parse(readFileSync(join(dirname(path), VISION_FILES.facts), 'utf8')) as Partial<VisionFile>;
    return facts.sha256 === sha256;
  } catch {
    return false;
  }
}

/** Whether a file's tower is for the model's own number of patches, so that the file is the tower as it stands. */
async function hasGridOf(config: RunConfig, path: string): Promise<boolean> {
  const wanted = visionShapes(modelConfigOf(config).vision).get(POS_EMBED);
  const file = await openWeights(path);
  try {
    const found = [...file.entries].find(([name]) => /(^|\.)pos_embed$/.test(name));
    return found?.[1].shape.join() === wanted?.join();
  } finally {
    await file.close();
  }
}
