/** The machine that the archive runs on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Device } from './engine.ts';

/** First line that a program prints, or undefined where it fails or is missing. */
function ask(program: string, args: readonly string[]): string | undefined {
  try {
    const text = execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 30_000,
    });
    return text.trim().split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Memory that all programs hold on the first GPU, in bytes; undefined without one. */
export function usedDeviceBytes(device: Device): number | undefined {
  if (device !== 'cuda') return undefined;
  const mebibytes = Number(ask('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits']));
  return Number.isFinite(mebibytes) ? mebibytes * 2 ** 20 : undefined;
}

/** What a reader of the numbers needs to know. */
export async function describeHost(request: { python: string; addon: string }): Promise<Record<string, unknown>> {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return {
    gpu: ask('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']),
    cpu: cpus()[0]?.model,
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    glibc: header.glibcVersionRuntime,
    node: process.version,
    python: ask(request.python, ['--version']),
    pytorch: ask(request.python, ['-c', 'import torch; print(torch.__version__)']),
    addon: JSON.parse(readFileSync(join(dirname(request.addon), 'addon.json'), 'utf8')) as unknown,
  };
}
