/** A benchmark's report in a file, with all that says what was measured: docs/performance.md is written from such files. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { writeFileAtomic } from '../../core/atomic.ts';
import { packageVersion } from '../facts.ts';

/** What was measured on. */
export interface Machine {
  processor: string;
  /** Processors that this process may use. */
  cores: number;
  memoryBytes: number;
  system: string;
  node: string;
  /** Variables of the environment that decide how threads wait and how many there are, where they were set. */
  settings: Readonly<Record<string, string>>;
}

const SETTINGS = ['OMP_WAIT_POLICY', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'] as const;

/** What such a file holds. */
export interface BenchFile<Report = { cases: readonly unknown[] }> {
  format: 1;
  /** `step`, `ops`, ... */
  bench: string;
  /** The command line, without `--output`. */
  command: string;
  /** ISO 8601, when the measurement ended. */
  date: string;
  tristage: string;
  machine: Machine;
  report: Report;
}

/** Name of the system, such as Debian GNU/Linux 12 (bookworm). */
function systemName(): string {
  try {
    const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    return name ?? `${platform()} ${arch()}`;
  } catch {
    return `${platform()} ${arch()}`;
  }
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    processor: (cpus()[0]?.model ?? 'unknown').trim(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: systemName(),
    node: process.version,
    settings: Object.fromEntries(SETTINGS.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  };
}

/** `argv` without the option that names the output. */
export function commandLine(argv: readonly string[]): string {
  const kept = argv.filter(
    (word, i) => word !== '--output' && argv[i - 1] !== '--output' && !word.startsWith('--output='),
  );
  return ['tristage', ...kept].join(' ');
}

/** Writes a report to a file, whole or not at all. */
export async function writeBenchFile(
  path: string,
  { bench, argv, report }: { bench: string; argv: readonly string[]; report: { cases: readonly unknown[] } },
): Promise<void> {
  const file: BenchFile = {
    format: 1,
    bench,
    command: commandLine(argv),
    date: new Date().toISOString(),
    tristage: packageVersion(),
    machine: thisMachine(),
    report,
  };
  await writeFileAtomic(path, `${JSON.stringify(file, null, 2)}\n`);
}
