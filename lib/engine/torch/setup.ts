/** Makes the torch engine ready on this machine, and remembers what was chosen so that opening it is quick. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { runProbe } from '../probe-run.ts';
import { hasNvidiaGpu } from '../toolchain.ts';
import { buildAddon, sourceHash } from './build.ts';
import { fetchTorchWheel } from './fetch.ts';
import { findTorch, fingerprint, requestedSource, type TorchInstall, type TorchSource, torchCache } from './find.ts';

/** A libtorch and the addon that fits it. */
export interface ReadyTorch {
  install: TorchInstall;
  addonPath: string;
}

interface ReadyRecord extends ReadyTorch {
  fingerprint: string;
  sources: string;
  /** Version of the libtorch that a setup has computed with; absent: none has yet. */
  checked?: string;
}

export interface SetupOptions {
  /** Default: TRISTAGE_TORCH_SOURCE, else `auto`. */
  source?: TorchSource;
  log?: (line: string) => void;
}

export interface TorchSetupOptions extends SetupOptions {
  /** Believes what an earlier setup checked, where library and sources are unchanged since. */
  known?: boolean | undefined;
}

export interface TorchSetupReport {
  version: string;
  source: TorchInstall['source'];
  /** Folder of the libtorch. */
  dir: string;
  addonPath: string;
  /** Size of the libraries and the addon. */
  bytes: number;
  seconds: number;
  /** False when the addon was there already. */
  built: boolean;
  /** Places that were looked at first and do not serve. */
  rejected: string[];
}

/** One record for each way of asking: another source or folder is another choice. */
function recordPath(source: TorchSource): string {
  const asked = `${source}\n${process.env['TRISTAGE_TORCH_DIR'] ?? ''}`;
  return join(torchCache(), `ready-${source}-${sha256(asked).slice(0, 8)}.json`);
}

/** A damaged record counts as none: everything in it can be found again. */
function parseRecord(text: string): ReadyRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ReadyRecord>;
    return typeof record.install?.libDir === 'string' && typeof record.addonPath === 'string'
      ? (record as ReadyRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What an earlier setup chose, if the library and the addon's sources are unchanged since. */
function readRecord(source: TorchSource): ReadyRecord | undefined {
  const path = recordPath(source);
  if (!existsSync(path)) return undefined;
  const record = parseRecord(readFileSync(path, 'utf8'));
  if (record === undefined) return undefined;
  const library = join(record.install.libDir, 'libtorch_cpu.so');
  if (!existsSync(record.addonPath) || !existsSync(library)) return undefined;
  if (record.fingerprint !== fingerprint(record.install) || record.sources !== sourceHash()) return undefined;
  return record;
}

async function writeRecord(source: TorchSource, ready: ReadyTorch, checked?: string): Promise<void> {
  const found = { ...ready, fingerprint: fingerprint(ready.install), sources: sourceHash() };
  const record: ReadyRecord = checked === undefined ? found : { ...found, checked };
  await writeFileAtomic(recordPath(source), `${JSON.stringify(record, null, 2)}\n`);
}

function notFound(source: TorchSource, rejected: readonly string[]): TristageError {
  const debian = 'apt-get install libtorch-dev libopenblas0-openmp';
  return new TristageError({
    kind: 'environment',
    code: 'E_TORCH_MISSING',
    message: 'no libtorch with headers is on this machine',
    found: rejected.join('; '),
    expected: `a libtorch (source: ${source})`,
    fix: source === 'debian' ? debian : 'tristage setup, or set TRISTAGE_TORCH_DIR to the folder of an installed torch',
  });
}

/**
 * The libtorch that serves here and its addon, compiled if need be; downloads nothing.
 * @throws TristageError E_TORCH_MISSING, E_COMPILER, E_BUILD
 */
export async function readyTorch(options: SetupOptions = {}): Promise<ReadyTorch> {
  const source = options.source ?? requestedSource();
  const known = readRecord(source);
  if (known !== undefined) return known;
  const { found, rejected } = await findTorch(source);
  if (found === undefined) throw notFound(source, rejected);
  const { path } = await buildAddon(found, options.log ?? (() => undefined));
  const ready = { install: found, addonPath: path };
  await writeRecord(source, ready);
  return ready;
}

/** Size of the shared libraries that the engine loads from a libtorch, with the addon. */
function sizeOnDisk({ install, addonPath }: ReadyTorch): number {
  return ['libtorch_cpu.so', 'libtorch_cuda.so', 'libc10.so', 'libc10_cuda.so']
    .map((name) => join(install.libDir, name))
    .filter((path) => existsSync(path))
    .concat(addonPath)
    .reduce((sum, path) => sum + statSync(path).size, 0);
}

/**
 * Finds or fetches a libtorch, builds the addon and checks it by a computation in a process of its own. Idempotent.
 * @throws TristageError E_PIP, E_PIP_DOWNLOAD, E_COMPILER, E_BUILD, E_TORCH_*, E_ENGINE_*
 */
export async function setupTorch(options: TorchSetupOptions = {}): Promise<TorchSetupReport> {
  const start = performance.now();
  const source = options.source ?? requestedSource();
  const known = options.known === true ? readRecord(source) : undefined;
  if (known?.checked !== undefined)
    return reportOf(known, { version: known.checked, built: false, rejected: [], start });
  const log = options.log ?? (() => undefined);
  let { found, rejected } = await findTorch(source);
  if (found === undefined && (source === 'auto' || source === 'pip')) {
    await fetchTorchWheel({ cuda: hasNvidiaGpu(), log });
    ({ found, rejected } = await findTorch(source));
  }
  if (found === undefined) throw notFound(source, rejected);
  const { path, built } = await buildAddon(found, log);
  const ready = { install: found, addonPath: path };
  await writeRecord(source, ready);
  const { version } = await runProbe(
    { backend: 'torch', device: 'auto', measure: false },
    { TRISTAGE_TORCH_SOURCE: source },
  );
  await writeRecord(source, ready, version);
  return reportOf(ready, { version, built, rejected, start });
}

function reportOf(
  ready: ReadyTorch,
  { start, ...found }: Pick<TorchSetupReport, 'version' | 'built' | 'rejected'> & { start: number },
): TorchSetupReport {
  const { install, addonPath } = ready;
  const { source, dir } = install;
  const seconds = (performance.now() - start) / 1000;
  return { ...found, source, dir, addonPath, bytes: sizeOnDisk(ready), seconds };
}
