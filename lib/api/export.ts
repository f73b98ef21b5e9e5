/** Writes trained runs for other programs, and proves what was written, for a program. */

import type { DeviceChoice, EngineName } from '../engine/engine.ts';
import type { ExportOptions, OutsidePart, OutsidePlaces } from '../export/request.ts';
import type { Verified } from '../run/verified.ts';
import { loggerOf, type OwnParts, type Progress, registryOf } from './own.ts';

/** What is exported, and how. */
export interface ExportRequest extends OwnParts, Progress {
  /** Run folder, or one of its checkpoints. */
  checkpoint: string;
  format: 'peft' | 'merged' | 'minigptv2' | 'tfjs';
  /** A new or empty folder. */
  out: string;
  /** An earlier export at `out` may be replaced. Default false. */
  replace?: boolean | undefined;
  /** What the format may be asked for. */
  options?: ExportOptions | undefined;
  /** Default: as the run was trained. */
  engine?: EngineName | undefined;
  /** Default: as the run was trained. */
  device?: DeviceChoice | undefined;
}

/** An export that was read back, compared and published. */
export interface ExportedCheckpoint {
  folder: string;
  format: string;
  /** Largest difference between a logit of the trained model and of the model that was read back. */
  maxAbsLogitDiff: number;
  /** Its files, manifest.json aside. */
  files: string[];
  /** Parts that stay in published files. */
  outside: OutsidePart[];
}

/**
 * Writes a checkpoint in a format that other programs load; what was written is read back and compared before it appears at `out`.
 * @throws TristageError E_EXPORT_FORMAT, E_EXPORT_OPTION, E_OUT_EXISTS and E_OUT_FOREIGN for a request that cannot be met,
 *   E_EXPORT_PARITY when the export answers otherwise than the model, E_NO_CHECKPOINT and the errors of reading a run
 */
export async function exportCheckpoint({ sources, stages, ...settings }: ExportRequest): Promise<ExportedCheckpoint> {
  const { exportRun } = await import('../run/export.ts');
  const registry = await registryOf({ sources, stages });
  const { folder, manifest } = await exportRun({ ...settings, registry, logger: loggerOf(settings) });
  const { format, parity, files, outside } = manifest;
  return { folder, format, maxAbsLogitDiff: parity.maxAbsLogitDiff, files: Object.keys(files), outside };
}

/** What is proved. */
export interface VerifyRequest extends Progress {
  /** Folder of an export or a checkpoint; a file or folder of weights. */
  path: string;
  /** Where published parts lie, where that is not the place that the export names. */
  outside?: OutsidePlaces | undefined;
  /** Default: the first that works. */
  engine?: EngineName | undefined;
  device?: DeviceChoice | undefined;
}

/**
 * Proves an export again: every file and tensor by hash, and its logits against the trained model's. Of a file or folder of weights:
 * reads every tensor, and says its shape, dtype and hash, and whether its values are finite.
 * @throws TristageError E_VERIFY, E_EXPORT_DAMAGED, E_EXPORT_OUTSIDE, E_EXPORT_PARITY
 */
export async function verify(request: VerifyRequest): Promise<Verified> {
  const { runVerify } = await import('../run/verify.ts');
  return runVerify({ ...request, logger: loggerOf(request) });
}
