/** `tristage doctor`: what this machine offers, what each engine reaches here, and the cure for what is missing. */

import { availableParallelism } from 'node:os';
import { TristageError } from '../core/errors.ts';
import { cacheDir } from '../core/paths.ts';
import { type ImageThreads, imageThreads } from '../data/image-threads.ts';
import { ENGINES, type EngineName } from '../engine/engine.ts';
import { runProbe } from '../engine/probe-run.ts';
import { chosenDir } from '../engine/tensorflow/index.ts';
import { type Compiler, findCompiler, findPip, hasNvidiaGpu, type Pip } from '../engine/toolchain.ts';
import { torchAdvice } from '../engine/torch/advice.ts';
import { findTorch, requestedSource } from '../engine/torch/find.ts';
import { type Platform, thisPlatform } from './platform.ts';

/** Something to know or to mend. */
export interface Finding {
  /** `problem`: something does not work. `advice`: it works, and could work better. */
  level: 'problem' | 'advice';
  finding: string;
  cure: string;
}

export type EngineCheck =
  | {
      name: EngineName;
      works: true;
      version: string;
      device: string;
      threads: number;
      /** Folder of the library. */
      dir: string;
      /** Measured in a process of its own: a product of 1024x1024 matrices in float32. */
      gflops: number;
      /** Measured: a training step of four layers, 256 wide, batch 64. */
      stepMs: number;
    }
  | { name: EngineName; works: false; code: string; reason: string };

export interface DoctorReport {
  platform: Platform;
  /** Processors that this process may use. */
  processors: number;
  /** Whether an NVIDIA driver is loaded. */
  nvidia: boolean;
  compiler: Compiler | null;
  pip: Pip | null;
  /** Folder of what was fetched and built. */
  cache: string;
  engines: EngineCheck[];
  /** The engine that `auto` takes here: the first that works; null when none does. */
  auto: EngineName | null;
  images: ImageThreads;
  findings: Finding[];
  /** At least one engine works on a supported Node.js. */
  ok: boolean;
}

interface Checked {
  check: EngineCheck;
  findings: Finding[];
}

/** Where the engine's library lies, and what the folder tells about its speed. */
async function inspectLibrary(name: EngineName): Promise<{ dir: string; findings: Finding[] }> {
  if (name === 'tensorflow') return { dir: chosenDir(), findings: [] };
  const { found } = await findTorch(requestedSource());
  const advice = found === undefined ? [] : torchAdvice(found);
  return { dir: found?.dir ?? '', findings: advice.map((item) => ({ level: 'advice', ...item })) };
}

async function checkEngine(name: EngineName): Promise<Checked> {
  try {
    const { dir, findings } = await inspectLibrary(name);
    const probe = await runProbe({ backend: name, device: 'auto', measure: true });
    const { version, device, threads, gflops = 0, stepMs = 0 } = probe;
    return { check: { name, works: true, version, device, threads, dir, gflops, stepMs }, findings };
  } catch (error) {
    if (!(error instanceof TristageError)) throw error;
    const reason = error.found === undefined ? error.message : `${error.message} (${error.found})`;
    const finding: Finding = {
      level: name === 'torch' ? 'problem' : 'advice',
      finding: `engine ${name}: ${error.message}`,
      cure: error.fix ?? `tristage setup --engine ${name}`,
    };
    return { check: { name, works: false, code: error.code, reason }, findings: [finding] };
  }
}

function platformFindings(platform: Platform): Finding[] {
  const findings: Finding[] = [];
  if (!platform.tested) {
    findings.push({
      level: 'advice',
      finding: `${platform.system} on ${platform.arch} is not tested`,
      cure: 'use Linux on x86-64, in a container or a virtual machine if need be',
    });
  }
  if (!platform.nodeSupported) {
    findings.push({
      level: 'problem',
      finding: `Node.js ${platform.node} is not supported`,
      cure: 'install Node.js 20.19 or newer of 20, or 22.12 or newer',
    });
  }
  return findings;
}

function toolFindings(compiler: Compiler | undefined, pip: Pip | undefined): Finding[] {
  const findings: Finding[] = [];
  if (compiler === undefined) {
    findings.push({ level: 'problem', finding: 'no C++ compiler', cure: 'apt-get install g++ (or set CXX)' });
  }
  if (pip === undefined) {
    findings.push({ level: 'advice', finding: 'no python3 with pip', cure: 'apt-get install python3-pip' });
  }
  return findings;
}

/** Looks at the machine and tries each engine in a process of its own; changes nothing but the engines' own builds. */
export async function runDoctor(): Promise<DoctorReport> {
  const platform = thisPlatform();
  const [compiler, pip] = [await findCompiler(), await findPip()];
  const checked: Checked[] = [];
  // One after the other: side by side they would halve each other's figures.
  for (const name of ENGINES) checked.push(await checkEngine(name));
  return {
    platform,
    processors: availableParallelism(),
    nvidia: hasNvidiaGpu(),
    compiler: compiler ?? null,
    pip: pip ?? null,
    cache: cacheDir(),
    engines: checked.map(({ check }) => check),
    auto: checked.find(({ check }) => check.works)?.check.name ?? null,
    images: imageThreads(),
    findings: [
      ...platformFindings(platform),
      ...toolFindings(compiler, pip),
      ...checked.flatMap((one) => one.findings),
    ],
    ok: platform.nodeSupported && checked.some(({ check }) => check.works),
  };
}
