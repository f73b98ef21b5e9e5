/** The two processes of a comparison: our worker, and a Python whose PyTorch is the same libtorch. */
import { existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TristageError } from '../../core/errors.ts';
import { packageRoot } from '../../core/paths.ts';
import type { EngineName } from '../../engine/engine.ts';
import { loaderOptions } from '../../engine/probe-run.ts';
import { everyPython, runCommand } from '../../engine/toolchain.ts';
import { type Peer, startPeer } from './peer.ts';

export interface WorkerRequest {
  /** The script is `<name>-worker`. */
  name: 'ops' | 'step' | 'generate' | 'load' | 'overhead' | 'scale' | 'memory';
  engine: EngineName;
  args: readonly string[];
  /** Which libtorch, as TRISTAGE_TORCH_SOURCE names it. Default: what that variable says. */
  torch?: string | undefined;
}

/** Starts one of our workers on an engine. */
export function startWorker({ name, engine, args, torch }: WorkerRequest): Peer {
  const own = fileURLToPath(import.meta.url);
  const script = join(own, `../${name}-worker${extname(own)}`);
  const env = torch === undefined ? process.env : { ...process.env, TRISTAGE_TORCH_SOURCE: torch };
  return startPeer(
    `tristage ${name} (${engine})`,
    [process.execPath, ...loaderOptions(), script, engine, ...args],
    env,
  );
}

export interface PythonTorch {
  python: string;
  version: string;
}

/**
 * A Python that imports PyTorch: TRISTAGE_INTEROP_PYTHON, else the first on PATH.
 * @param version of our libtorch; only the same major and minor version is a fair partner. Absent: the first that works.
 * @param beside a package that must be there too
 * @throws E_BENCH_PYTHON with the install command
 */
export async function findPythonTorch(version: string | undefined, beside = 'torch'): Promise<PythonTorch> {
  const ask = `import importlib.util as u, torch; print(torch.__version__, u.find_spec("${beside}") is not None)`;
  const wanted = version?.split('.').slice(0, 2).join('.');
  const found: string[] = [];
  const named = process.env['TRISTAGE_INTEROP_PYTHON'];
  for (const python of named === undefined ? everyPython() : [named, ...everyPython()]) {
    const { status, stdout } = await runCommand(python, ['-c', ask]);
    if (status !== 0) continue;
    const [own = '', hasOther] = stdout.trim().split(' ');
    const fits = wanted === undefined || own.startsWith(`${wanted}.`);
    if (fits && hasOther === 'True') return { python, version: own };
    found.push(`${python}: torch ${own}${hasOther === 'True' ? '' : ` without ${beside}`}`);
  }
  const more = beside === 'torch' ? '' : ` ${beside}`;
  throw new TristageError({
    kind: 'environment',
    code: 'E_BENCH_PYTHON',
    message: 'The benchmark needs a Python with the same PyTorch as the engine',
    found: found.length > 0 ? found.join('; ') : 'no python3 that imports torch',
    expected: `torch ${wanted ?? 'of any version'}${more}`,
    fix: `apt-get install python3-torch libopenblas0-openmp for torch 1.13, or pip install torch==${version ?? 'VERSION'}${more}; TRISTAGE_INTEROP_PYTHON names a python that is not on PATH`,
  });
}

/**
 * Starts a Python counterpart of `test/bench`.
 * @param python the program, or the words of a command that ends in it
 */
export function startPython(python: string | readonly string[], script: string, args: readonly string[]): Peer {
  const path = join(packageRoot(), 'test', 'bench', script);
  if (!existsSync(path)) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_BENCH_SCRIPT',
      message: 'The Python counterparts of the benchmarks come with a clone of the repository, not with the package',
      where: path,
      fix: 'clone the repository and run the benchmark there',
    });
  }
  return startPeer(`python ${script}`, [...[python].flat(), path, ...args]);
}
