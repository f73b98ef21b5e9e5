/** Runs every part in a process of its own, within a time of its own, and keeps one JSON file up to date. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Device } from './engine.ts';
import { describeHost } from './host.ts';
import { opsPlan, stepPlans } from './plans.ts';
import type { GpuRecord } from './record.ts';

export interface RunRequest {
  device: Device;
  tiny: boolean;
  /** Folder of libtorch_cpu.so. */
  lib: string;
  addon: string;
  fixtures: string;
  /** A Python that may have PyTorch. */
  python: string;
  output: string;
  /** This program's own file. */
  script: string;
}

interface Part {
  name: string;
  argv: string[];
}

interface PartResult {
  name: string;
  /** `failed`: the process ended badly or wrote a record that is not ok; its other records count. */
  status: 'passed' | 'failed' | 'timed out' | 'left out';
  reason?: string | undefined;
  seconds: number;
  records: GpuRecord[];
}

/** Seconds of a part, and of all: everything must end within 8 minutes, the last JSON file included. */
const LIMITS = { part: 60, total: 460 };
/** A tiny run measures nothing and may meet a machine that is busy with other things; a part that hangs still ends. */
const TINY_LIMITS = { part: 600, total: 3000 };
/** Dense bf16 peak of an H100 (SXM), operations a second: NVIDIA's data sheet. */
const H100_PEAK = 989e12;
/** A process that writes no more than this to stderr is quoted in full. */
const QUOTED = 600;

const BF16 = ['--precision', 'bf16'];

/** All parts in the order of what they are worth, so that a slow machine loses the least. */
function partsOf(request: RunRequest, files: { ops: string; steps: { name: string; path: string }[] }): Part[] {
  const { device, lib, addon, fixtures, python, script } = request;
  const own = (part: string, ...more: string[]) =>
    [process.execPath, script, 'part', part, '--device', device, '--lib', lib, '--addon', addon]
      .concat(request.tiny ? ['--tiny'] : [])
      .concat(more);
  const reference = join(dirname(script), 'python', 'reference.py');
  const torch = (...more: string[]) => [python, reference, '--device', device].concat(more);
  const parts: Part[] = [
    { name: 'kernels', argv: own('kernels') },
    { name: 'fused', argv: own('fused') },
    { name: 'parity', argv: own('parity', '--fixtures', fixtures) },
    { name: 'kernels bf16', argv: own('kernels', ...BF16) },
    { name: 'fused bf16', argv: own('fused', ...BF16) },
    { name: 'parity bf16', argv: own('parity', '--fixtures', fixtures, ...BF16) },
  ];
  for (const { name, path } of files.steps) {
    const plan = ['--plan', path];
    parts.push(
      { name: `step ${name} bf16`, argv: own('steps', ...plan, ...BF16) },
      { name: `step ${name} bf16 recompute`, argv: own('steps', ...plan, ...BF16, '--recompute') },
      { name: `pytorch step ${name} bfloat16`, argv: torch('steps', ...plan, '--dtype', 'bfloat16') },
    );
  }
  // What is worth less where time runs out.
  for (const { name, path } of files.steps) {
    const plan = ['--plan', path];
    parts.push(
      { name: `step ${name}`, argv: own('steps', ...plan) },
      { name: `step ${name} recompute`, argv: own('steps', ...plan, '--recompute') },
      { name: `pytorch step ${name} float32`, argv: torch('steps', ...plan, '--dtype', 'float32') },
    );
  }
  const opFiles = ['--plan', files.ops];
  parts.push({ name: 'ops', argv: own('ops', ...opFiles) }, { name: 'pytorch ops', argv: torch('ops', ...opFiles) });
  return parts;
}

/** Rates that follow from what a record measured. */
function withRates(record: GpuRecord, device: Device): GpuRecord {
  const { batch, seconds, flops } = record as { batch?: number; seconds?: number; flops?: number };
  if (batch === undefined || seconds === undefined || flops === undefined) return record;
  const rates = { samplesPerSecond: batch / seconds, teraflops: flops / seconds / 1e12 };
  return device === 'cuda' ? { ...record, ...rates, mfu: flops / seconds / H100_PEAK } : { ...record, ...rates };
}

/** One part; never throws. */
function runPart({ name, argv }: Part, { device, limit }: { device: Device; limit: number }): Promise<PartResult> {
  const start = performance.now();
  const [command, ...args] = argv;
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const records: GpuRecord[] = [];
  let line = '';
  let errors = '';
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, limit * 1000);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (line + text).split('\n');
    line = lines.pop() ?? '';
    for (const each of lines) {
      const record = parseRecord(each);
      if (record !== undefined) records.push(withRates(record, device));
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-QUOTED);
  });
  return new Promise((resolve) => {
    const finish = (status: PartResult['status'], reason?: string) => {
      clearTimeout(timer);
      resolve({ name, status, reason, seconds: (performance.now() - start) / 1000, records });
    };
    child.once('error', (error) => finish('failed', error.message));
    child.once('close', (code, signal) => {
      if (timedOut) return finish('timed out', `more than ${limit.toFixed(0)} s`);
      if (code !== 0) return finish('failed', `${signal ?? `exit status ${code}`}: ${errors.trim()}`);
      const bad = records.filter(({ ok }) => !ok).length;
      if (bad > 0) return finish('failed', `${bad} of ${records.length} records are not ok`);
      if (records.length < 2) return finish('failed', 'nothing was checked');
      return finish('passed');
    });
  });
}

function parseRecord(line: string): GpuRecord | undefined {
  try {
    const record = JSON.parse(line) as GpuRecord;
    return typeof record.name === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}

async function writePlans(
  folder: string,
  tiny: boolean,
): Promise<{ ops: string; steps: { name: string; path: string }[] }> {
  const ops = join(folder, 'ops.json');
  await writeFile(ops, JSON.stringify(opsPlan(tiny)));
  const steps = await Promise.all(
    stepPlans(tiny).map(async (plan) => {
      const path = join(folder, `${plan.name}.json`);
      await writeFile(path, JSON.stringify(plan));
      return { name: plan.name, path };
    }),
  );
  return { ops, steps };
}

/** @returns whether every part passed */
export async function runAll(request: RunRequest): Promise<boolean> {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const folder = await mkdtemp(join(tmpdir(), 'tristage-gpu-'));
  const limits = request.tiny ? TINY_LIMITS : LIMITS;
  const parts: PartResult[] = [];
  const write = async () => {
    const report = {
      host,
      device: request.device,
      tiny: request.tiny,
      seconds: elapsed(),
      parts,
    };
    await writeFile(request.output, `${JSON.stringify(report, null, 1)}\n`);
  };
  const host = await describeHost(request);
  try {
    for (const part of partsOf(request, await writePlans(folder, request.tiny))) {
      const left = limits.total - elapsed();
      const result: PartResult =
        left < 5
          ? { name: part.name, status: 'left out', reason: 'no time was left', seconds: 0, records: [] }
          : await runPart(part, { device: request.device, limit: Math.min(limits.part, left) });
      parts.push(result);
      process.stderr.write(
        `${result.name}: ${result.status} (${result.seconds.toFixed(1)} s) ${result.reason ?? ''}\n`,
      );
      await write();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return parts.every(({ status }) => status === 'passed');
}
