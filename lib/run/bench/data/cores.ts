/** Holds both sides of a benchmark to the same processors. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { runCommand } from '../../../engine/toolchain.ts';

export interface Cores {
  /** Processors that each side may use. */
  count: number;
  /** Words to put before a command so that it stays on them; empty where it cannot leave them, or cannot be held. */
  prefix: readonly string[];
}

/** The first so many of the processors that this process may use. Elsewhere than on Linux both sides see every processor. */
export async function sameCores(wanted: number): Promise<Cores> {
  const all = availableParallelism();
  if (wanted >= all || process.platform !== 'linux') return { count: all, prefix: [] };
  const allowed = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const list = processorsOf(allowed).slice(0, wanted).join(',');
  const { status } = await runCommand('taskset', ['-c', list, 'true']);
  return status === 0 ? { count: wanted, prefix: ['taskset', '-c', list] } : { count: all, prefix: [] };
}

/** The numbers of a list such as `0-2,7`. */
export function processorsOf(list: string): number[] {
  return list
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, place) => from + place);
    });
}
