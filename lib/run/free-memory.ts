/** How much memory a run may take on this machine. */

import { existsSync, readFileSync } from 'node:fs';
import { TristageError } from '../core/errors.ts';
import { runCommand } from '../engine/toolchain.ts';

export interface FreeMemory {
  bytes: number;
  /** Where the figure is from, in words. */
  from: string;
}

/**
 * The memory that this process may grow to.
 * @throws TristageError E_FREE_MEMORY where nothing tells what a GPU has free
 */
export async function freeMemory(device: 'cpu' | 'cuda'): Promise<FreeMemory> {
  return device === 'cpu' ? mainMemory() : await cardMemory();
}

/** Files of the kernel that say what a group of processes may take, and takes: version 2 and version 1. */
const GROUPS = [
  { limit: '/sys/fs/cgroup/memory.max', used: '/sys/fs/cgroup/memory.current', details: '/sys/fs/cgroup/memory.stat' },
  {
    limit: '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    used: '/sys/fs/cgroup/memory/memory.usage_in_bytes',
    details: '/sys/fs/cgroup/memory/memory.stat',
  },
] as const;

/**
 * What the machine has available, or its container leaves, and what the process holds already.
 * @param read the content of a file, or undefined where there is none
 */
export function mainMemory(read: (path: string) => string | undefined = readIfThere): FreeMemory {
  const own = process.memoryUsage.rss();
  const available = 1024 * Number(/MemAvailable:\s+(\d+)/.exec(read('/proc/meminfo') ?? '')?.[1]);
  const machine = { bytes: own + available, from: 'what the machine has free' };
  const known = Number.isFinite(machine.bytes) ? [machine] : [];
  for (const group of GROUPS) {
    const [limit, used] = [Number(read(group.limit)), Number(read(group.used))];
    if (!(limit > 0 && used >= 0)) continue;
    // Files that were read count as used, but make room.
    const cached = Number(/^(?:total_)?inactive_file (\d+)/m.exec(read(group.details) ?? '')?.[1] ?? 0);
    known.push({ bytes: own + limit - used + cached, from: 'what its container leaves' });
  }
  const least = known.sort((a, b) => a.bytes - b.bytes)[0];
  if (least !== undefined) return least;
  throw unknownMemory('neither /proc/meminfo nor a cgroup');
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** Of the first GPU, as its driver says. */
async function cardMemory(): Promise<FreeMemory> {
  const { status, stdout } = await runCommand('nvidia-smi', [
    '--query-gpu=memory.free',
    '--format=csv,noheader,nounits',
    '--id=0',
  ]);
  const mebibytes = Number.parseFloat(stdout);
  if (status === 0 && mebibytes > 0) return { bytes: mebibytes * 2 ** 20, from: 'what the GPU has free' };
  throw unknownMemory('no answer of nvidia-smi');
}

function unknownMemory(found: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_FREE_MEMORY',
    message: 'nothing says how much memory is free',
    where: 'train.microBatch: auto',
    found,
    fix: 'say it by engine.memory, in gigabytes, or give train.microBatch as a number',
  });
}
