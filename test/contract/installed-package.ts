/** Packs this project as `npm pack` does and installs it into an empty one, as a user would. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Manifest {
  files: string[];
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  exports: Record<string, unknown>;
}

/** What `npm pack --json` says. */
export interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string; size: number; mode: number }[];
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Of npm's settings in the environment, those that say how the registry is reached; all others stay at their defaults. */
const KEPT = /^npm_config_(registry|cache|userconfig|globalconfig|cafile|.*proxy)$/i;

function userEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => (!/^npm_/i.test(name) || KEPT.test(name)) && !/^(NODE_TEST|NODE_OPTIONS|INIT_CWD)/.test(name),
  );
  return { ...Object.fromEntries(entries), npm_config_prefer_offline: 'true', NO_COLOR: '1' };
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], cwd: string): Outcome {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env: userEnvironment(), encoding: 'utf8' });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Runs a program that must succeed; returns its stdout. */
export function mustRun(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = run(program, args, cwd);
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`);
}

/** The package.json of this project. */
export function ownManifest(): Manifest {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
}

/**
 * Builds the sources as they stand into a folder of its own and packs that: dist/ of the checkout may be older.
 * @returns the tarball and what it holds
 */
export function packProject(folder: string): { tarball: string; packed: Packed } {
  const stage = join(folder, 'stage');
  mkdirSync(stage);
  const names = ownManifest().files.filter((name) => name !== 'dist' && !name.startsWith('!'));
  for (const name of [...names, 'package.json', 'README.md', 'LICENSE', '.npmrc']) {
    mkdirSync(dirname(join(stage, name)), { recursive: true });
    cpSync(join(ROOT, name), join(stage, name), { recursive: true, filter: (path) => !path.includes('node_modules') });
  }
  mustRun(
    process.execPath,
    [tool('typescript', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')],
    ROOT,
  );
  const [packed] = JSON.parse(mustRun('npm', ['pack', '--json', '--pack-destination', folder], stage)) as Packed[];
  if (packed === undefined) throw new Error('npm pack said nothing');
  return { tarball: join(folder, packed.filename), packed };
}

/** The script of a development tool of this project. */
export function tool(name: string, script: string): string {
  return join(ROOT, 'node_modules', name, 'bin', script);
}

/** An empty project with the tarball installed by npm's default settings. */
export function installInto(folder: string, tarball: string): string {
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n');
  mustRun('npm', ['install', '--no-audit', '--no-fund', tarball], project);
  return project;
}

/** The files of a page of the documentation: fenced blocks whose first line is a comment with a file's name. */
export function filesOfPage(path: string): Map<string, string> {
  const text = readFileSync(path, 'utf8');
  const blocks = [...text.matchAll(/^```(?:ts|yaml)\n(?:\/\/|#) (\S+)\n([\s\S]*?)^```$/gm)];
  return new Map(blocks.map(([, name, body]) => [name ?? '', body ?? '']));
}

/** The commands of a page: lines of its `sh` blocks without comments. */
export function commandsOfPage(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .flatMap(([, body]) => (body ?? '').split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}
