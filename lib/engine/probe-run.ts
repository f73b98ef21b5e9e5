/** Tries an engine in a process of its own: one process can open only one engine, and a crash there costs nothing here. */

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TristageError } from '../core/errors.ts';
import { runCommand } from './toolchain.ts';

export interface ProbeRequest {
  backend: 'torch' | 'tensorflow';
  device: 'auto' | 'cpu' | 'cuda';
  threads?: number | undefined;
  /** Also measure a matrix product and a training step (about a second). */
  measure: boolean;
}

export interface ProbeResult {
  backend: string;
  device: string;
  version: string;
  threads: number;
  /** Absent unless measured. */
  gflops?: number;
  stepMs?: number;
}

/** Marks the one line of the child's output that is the answer. */
export const ANSWER = 'tristage-probe:';

/** What the child answers. */
export type ProbeAnswer =
  | { ok: true; result: ProbeResult }
  | { ok: false; error: { code: string; message: string; found?: string | undefined; fix?: string | undefined } };

/** Node's options for a child that runs sources as this process does: its loaders, without the test runner's flags. */
export function loaderOptions(): string[] {
  const kept: string[] = [];
  process.execArgv.forEach((option, i, all) => {
    if (/^(--import|--require|--loader|--experimental-loader|-r)$/.test(option)) kept.push(option, all[i + 1] ?? '');
    else if (/^--(import|require|loader|experimental-loader)=/.test(option)) kept.push(option);
  });
  return kept;
}

/**
 * Opens the engine in a child process, checks a product and a gradient against known numbers, and measures if asked.
 * @param env added to the child's environment
 * @throws TristageError the child's own error, or E_ENGINE_LOAD when it ended without an answer
 */
export async function runProbe(
  request: ProbeRequest,
  env: Readonly<Record<string, string>> = {},
): Promise<ProbeResult> {
  const own = fileURLToPath(import.meta.url);
  const script = own.replace(/probe-run\.[jt]s$/, `probe${extname(own)}`);
  const { status, stdout, stderr } = await runCommand(
    process.execPath,
    [...loaderOptions(), script, JSON.stringify(request)],
    { env },
  );
  const line = stdout.split('\n').find((text) => text.startsWith(ANSWER));
  if (line === undefined) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_ENGINE_LOAD',
      message: `the engine '${request.backend}' ended its process while it was tried`,
      found: `exit status ${status ?? 'none: ended by a signal'}; ${stderr.trim().split('\n').slice(-3).join(' ')}`,
      fix: `tristage setup --engine ${request.backend}; if this stays, the library does not fit this processor or system`,
    });
  }
  const answer = JSON.parse(line.slice(ANSWER.length)) as ProbeAnswer;
  if (answer.ok) return answer.result;
  const { code, message, found, fix } = answer.error;
  throw new TristageError({
    kind: 'environment',
    code,
    message,
    ...(found === undefined ? {} : { found }),
    ...(fix === undefined ? {} : { fix }),
  });
}
