/** The programs that setting up an engine needs: Python with pip to fetch libraries, a C++ compiler to build an addon. */

import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TristageError } from '../core/errors.ts';

export interface CommandResult {
  /** Exit status; null when the program could not be started or was ended by a signal. */
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  /** Added to the process's own environment. */
  env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and collects what it writes; a program that does not exist gives status null. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error) => resolve({ status: null, stdout, stderr: `${stderr}${error.message}` }));
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** Every place where a program of this name lies on PATH, then in the system's own folders; each real file once. */
function everyProgram(name: string): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  const found = new Map<string, string>();
  for (const folder of folders) {
    const path = join(folder, name);
    if (folder === '' || !existsSync(path)) continue;
    const real = realpathSync(path);
    if (!found.has(real)) found.set(real, path);
  }
  return [...found.values()];
}

/** Every distinct python3: those on PATH and the system's own, which often hold different packages. */
export function everyPython(): string[] {
  return everyProgram('python3');
}

export interface Pip {
  python: string;
  /** What `pip --version` says. */
  version: string;
}

/** The first python3 that has pip, or undefined. */
export async function findPip(): Promise<Pip | undefined> {
  for (const python of everyPython()) {
    const { status, stdout } = await runCommand(python, ['-m', 'pip', '--version']);
    if (status === 0) return { python, version: /^pip (\S+)/.exec(stdout)?.[1] ?? stdout.trim() };
  }
  return undefined;
}

/** @throws TristageError E_PIP when no python3 with pip exists */
export async function requirePip(): Promise<Pip> {
  const pip = await findPip();
  if (pip) return pip;
  const pythons = everyPython();
  throw new TristageError({
    kind: 'environment',
    code: 'E_PIP',
    message: 'Python 3 with pip is needed to fetch the engine library',
    found: pythons.length === 0 ? 'no python3' : `python3 without pip: ${pythons.join(', ')}`,
    expected: 'a python3 for which `python3 -m pip --version` works',
    fix: 'apt-get install python3-pip (Debian, Ubuntu), dnf install python3-pip (Fedora), or see https://pip.pypa.io/en/stable/installation/',
  });
}

export interface Compiler {
  path: string;
  /** First line of what `--version` says. */
  version: string;
}

/** The C++ compiler: `$CXX` when it is set, else g++, c++ or clang++; undefined when none runs. */
export async function findCompiler(): Promise<Compiler | undefined> {
  const own = process.env['CXX'];
  for (const path of own === undefined || own === '' ? ['g++', 'c++', 'clang++'] : [own]) {
    const { status, stdout } = await runCommand(path, ['--version']);
    if (status === 0) return { path, version: stdout.split('\n')[0]!.trim() };
  }
  return undefined;
}

/** @throws TristageError E_COMPILER when there is no C++ compiler */
export async function requireCompiler(): Promise<Compiler> {
  const compiler = await findCompiler();
  if (compiler) return compiler;
  throw new TristageError({
    kind: 'environment',
    code: 'E_COMPILER',
    message: 'a C++ compiler is needed to build the engine',
    found: process.env['CXX']
      ? `CXX=${process.env['CXX']}, which does not run`
      : 'neither g++, c++ nor clang++ on PATH',
    expected: 'a compiler that knows C++17',
    fix: 'apt-get install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), or set CXX to a compiler',
  });
}

/** True where an NVIDIA driver is loaded. */
export function hasNvidiaGpu(): boolean {
  return ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/nvidia0'].some((path) => existsSync(path));
}
