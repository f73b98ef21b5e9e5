/** `tristage verify`: proves again what tristage wrote, and reads published weights from end to end. */

import { existsSync } from 'node:fs';
import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type DeviceChoice, type EngineName, openEngine } from '../engine/engine.ts';
import { isExport } from '../export/manifest.ts';
import type { OutsidePlaces } from '../export/request.ts';
import { verifyExport } from '../export/verify.ts';
import { announceEngine } from './announce-engine.ts';
import type { Verified, VerifiedExport } from './verified.ts';
import { isCheckpoint, verifyCheckpoint } from './verify-checkpoint.ts';
import { isWeights, verifyWeights } from './verify-weights.ts';

export interface VerifyRequest {
  /** Folder of an export; a file or folder of weights. */
  path: string;
  /** Where published parts lie, where that is not the place that the export names. */
  outside?: OutsidePlaces | undefined;
  /** Default: the first that works. */
  engine?: EngineName | undefined;
  device?: DeviceChoice | undefined;
  logger: Logger;
}

/** Something that can be proved: how it is known, and its proof. */
interface Kind {
  is(path: string): boolean;
  verify(request: VerifyRequest): Promise<Verified>;
}

const KINDS: readonly Kind[] = [
  { is: isCheckpoint, verify: ({ path }) => verifyCheckpoint(path) },
  { is: isExport, verify: verifyExported },
  { is: isWeights, verify: ({ path }) => verifyWeights(path) },
];

/**
 * Proves what lies at a path.
 * @throws TristageError E_VERIFY for a path that holds nothing that can be proved, E_EXPORT_DAMAGED, E_EXPORT_OUTSIDE,
 *   E_EXPORT_PARITY, E_CHECKPOINT_DAMAGED
 */
export async function runVerify(request: VerifyRequest): Promise<Verified> {
  for (const kind of KINDS) {
    if (kind.is(request.path)) return kind.verify(request);
  }
  throw new TristageError({
    kind: 'usage',
    code: 'E_VERIFY',
    message: 'there is nothing here that can be proved',
    where: request.path,
    found: existsSync(request.path) ? 'no export, no checkpoint and no weights' : 'nothing',
    expected: 'the folder of an export or a checkpoint, or a file or folder of weights',
    fix: 'give the folder that tristage export wrote, RUN/checkpoints/step-N, or weights as safetensors, torch file or GGUF',
  });
}

async function verifyExported({
  path,
  outside,
  engine: backend,
  device,
  logger,
}: VerifyRequest): Promise<VerifiedExport> {
  const engine = await openEngine({ backend: backend ?? 'auto', device: device ?? 'auto' });
  announceEngine(logger, engine);
  const { manifest, parity, strangers } = await verifyExport(path, outside);
  const files = Object.values(manifest.files);
  return {
    kind: 'export',
    path,
    format: manifest.format,
    files: files.length,
    tensors: files.reduce((sum, { tensors = {} }) => sum + Object.keys(tensors).length, 0),
    strangers,
    maxAbsLogitDiff: parity.maxAbsLogitDiff,
    accepted: parity.tolerance * Math.max(1, parity.maxAbsLogit),
    engine: `${engine.backend} ${engine.version} on ${engine.device}`,
  };
}
