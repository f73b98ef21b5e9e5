/** Proves an export again: every file and tensor by hash, the published parts that it names, and its logits. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { fileError } from '../formats/file-bytes.ts';
import { parityError, reloadedAnswers } from './export.ts';
import type { ExportFormat, ReadContext } from './format.ts';
import { EXPORT_FORMATS } from './formats.ts';
import {
  describeTensors,
  EXPORT_FILES,
  type ExportManifest,
  exportedConfig,
  exportedFiles,
  readManifest,
} from './manifest.ts';
import { compareAnswers, type ParityFigure, readParity, withinTolerance } from './parity.ts';
import type { OutsidePart, OutsidePlaces } from './request.ts';

/** Another engine rounds otherwise: the least tolerance when it is not the export's own process that compares. */
const ANOTHER_ENGINE = 1e-4;

/** An export whose files are what its manifest says. */
export interface OpenedExport {
  manifest: ExportManifest;
  format: ExportFormat;
  /** What `format.open` needs. */
  context: ReadContext;
  /** Files that the manifest does not know; nothing reads them. */
  strangers: readonly string[];
}

/**
 * Opens an export and checks every file and tensor of it.
 * @throws TristageError E_EXPORT_MANIFEST where no export is, E_EXPORT_FORMAT for one of an unknown format, E_EXPORT_DAMAGED naming
 *   the file that is missing or changed
 */
export async function openExport(folder: string, places: OutsidePlaces = {}): Promise<OpenedExport> {
  const manifest = await readManifest(folder);
  const format = EXPORT_FORMATS.find(({ name }) => name === manifest.format);
  if (format === undefined) {
    throw fileError(join(folder, EXPORT_FILES.manifest), {
      code: 'E_EXPORT_FORMAT',
      message: 'the export is of an unknown format',
      found: manifest.format,
      expected: EXPORT_FORMATS.map(({ name }) => name).join(', '),
      fix: 'use the version of tristage that made it',
    });
  }
  const strangers = await checkFiles(folder, manifest, format);
  const outside = manifest.outside.map((part) => ({ ...part, path: places[part.part] ?? part.path }));
  const context: ReadContext = { config: exportedConfig(manifest), settings: manifest.settings, outside };
  return { manifest, format, context, strangers };
}

async function checkFiles(folder: string, manifest: ExportManifest, format: ExportFormat): Promise<string[]> {
  const known = Object.entries(manifest.files);
  for (const [name, { bytes, sha256 }] of known) {
    const path = join(folder, name);
    const found = await sha256File(path).catch((error: Error) => {
      throw damaged(path, error.message, `${bytes} bytes`);
    });
    if (found.bytes !== bytes) throw damaged(path, `${found.bytes} bytes`, `${bytes} bytes`);
    if (found.hash !== sha256) throw damaged(path, `SHA-256 ${found.hash}`, sha256);
  }
  const described = await describeTensors(folder, format);
  for (const [name, { tensors = {} }] of known) {
    const found = described.get(name) ?? {};
    const names = new Set([...Object.keys(tensors), ...Object.keys(found)]);
    const other = [...names].find((one) => JSON.stringify(found[one]) !== JSON.stringify(tensors[one]));
    if (other === undefined) continue;
    const [there, wanted] = [found[other], tensors[other]].map((record) => JSON.stringify(record) ?? 'no such tensor');
    throw damaged(`${join(folder, name)}: ${other}`, there as string, wanted as string);
  }
  return (await exportedFiles(folder)).filter((name) => manifest.files[name] === undefined);
}

function damaged(where: string, found: string, expected: string): TristageError {
  return fileError(where, {
    code: 'E_EXPORT_DAMAGED',
    message: 'the export is not what its manifest says',
    found,
    expected,
    fix: 'fetch the export again, or export the run again',
  });
}

/**
 * Checks the published files that an export refers to.
 * @throws TristageError E_EXPORT_OUTSIDE naming a file that is missing or another one
 */
export async function checkOutside(outside: readonly OutsidePart[]): Promise<void> {
  for (const { part, path, files } of outside) {
    const isFolder = await stat(path).then(
      (status) => status.isDirectory(),
      () => false,
    );
    for (const { name, sha256, bytes } of files) {
      const file = isFolder ? join(path, name) : path;
      const found = await sha256File(file).catch((error: Error) => error);
      if (!(found instanceof Error) && found.hash === sha256) continue;
      throw fileError(file, {
        code: 'E_EXPORT_OUTSIDE',
        message: `the export takes its ${part === 'llm' ? 'language model' : 'vision tower'} from another file`,
        found: found instanceof Error ? found.message : `${found.bytes} bytes, SHA-256 ${found.hash}`,
        expected: `${bytes} bytes, SHA-256 ${sha256}`,
        fix: `say where that file is with --${part} PATH`,
      });
    }
  }
}

/** An export that was proved. */
export interface VerifiedExport extends OpenedExport {
  parity: ParityFigure & { tolerance: number };
}

/**
 * Proves an export on the engine that is open.
 * @throws TristageError E_EXPORT_PARITY when it answers otherwise than the trained model did, E_EXPORT_OUTSIDE, and those of openExport
 */
export async function verifyExport(folder: string, places: OutsidePlaces = {}): Promise<VerifiedExport> {
  const opened = await openExport(folder, places);
  const { format, context, manifest } = opened;
  await checkOutside(context.outside);
  const { inputs, answers } = await readParity(join(folder, EXPORT_FILES.parity));
  const figure = compareAnswers(answers, await reloadedAnswers(folder, { format, context, inputs }));
  const tolerance = Math.max(manifest.parity.tolerance, ANOTHER_ENGINE);
  if (!withinTolerance(figure, tolerance)) {
    const fix = 'fetch the export again, or export the run again with this version of tristage';
    throw parityError({ format: format.name, figure, tolerance, fix });
  }
  return { ...opened, parity: { ...figure, tolerance } };
}
