/** `tristage bench startup`: how long commands take in new processes, from sources and as built, with Node's own start for scale. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { packageRoot } from '../../core/paths.ts';
import { measurePaired, type Spread } from './paired.ts';

export interface StartupOptions {
  /** Default 5. */
  rounds?: number | undefined;
  /** Cases whose name contains this. */
  filter?: string | undefined;
  log?: ((line: string) => void) | undefined;
}

export interface StartupCase {
  name: string;
  /** The command line, without the folder that its output goes to. */
  command: string;
  /** `ratio` is the start of an empty Node process divided by ours: what is left for us to win. */
  speed: { ratio: number; spread: Spread; oursSeconds: Spread; theirsSeconds: Spread };
  /** The most that it should take. */
  targetSeconds: number;
}

export interface StartupReport {
  rounds: number;
  node: string;
  cases: StartupCase[];
}

/** What is started, and when it counts as there. */
interface Start {
  name: string;
  /** In the folder of the package. */
  script: string;
  /** Runs sources. */
  source?: true;
  /** Of the script. `OUT` stands for a folder; what is drawn into its `data` stays from one time to the next. */
  args: readonly string[];
  /** The line on stderr that ends the timing and the process; absent: the process ends by itself. */
  until?: RegExp;
  targetSeconds: number;
}

const OUT = 'OUT';
const VALIDATE = ['validate', 'configs/quickstart/stage1.yaml'] as const;
const QUICKSTART = ['--short', '--out', OUT] as const;
/** What a run logs of its first step. */
const FIRST_STEP = /step +1\/\d+/;

/** Everything that is measured: as built, which is what a user runs, and from sources. */
const STARTS: readonly Start[] = [
  { name: 'validate', script: 'dist/bin/tristage.js', args: VALIDATE, targetSeconds: 0.6 },
  { name: 'validate-source', script: 'bin/tristage.ts', source: true, args: VALIDATE, targetSeconds: 0.6 },
  {
    ...{ name: 'quickstart-first-step', script: 'bin/bootstrap.mjs', args: ['quickstart', ...QUICKSTART] },
    ...{ until: FIRST_STEP, targetSeconds: 6 },
  },
  {
    ...{ name: 'quickstart-first-step-source', script: 'bin/quickstart.ts', source: true, args: QUICKSTART },
    ...{ until: FIRST_STEP, targetSeconds: 6 },
  },
];

/**
 * Every start in new processes, each after one that is not counted: the file cache of the system is warm.
 * @throws TristageError E_BENCH_SCRIPT outside a clone with a build, E_BENCH_PEER for a process that fails
 */
export async function benchStartup({ rounds = 5, filter = '', log }: StartupOptions): Promise<StartupReport> {
  const cases: StartupCase[] = [];
  for (const start of STARTS.filter(({ name }) => name.includes(filter))) {
    if (!existsSync(join(packageRoot(), start.script))) throw missing(start.script);
    const out = await mkdtemp(join(tmpdir(), 'tristage-bench-'));
    try {
      const found = await measureStart(start, out, rounds);
      cases.push(found);
      log?.(`${found.name}: ${found.speed.oursSeconds.median.toFixed(2)} s`);
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  }
  return { rounds, node: process.versions.node, cases };
}

async function measureStart(start: Start, out: string, rounds: number): Promise<StartupCase> {
  const { name, script, source, until, targetSeconds } = start;
  const args = [...(source === undefined ? [] : ['--import', 'tsx']), script, ...start.args];
  const given = args.map((word) => (word === OUT ? out : word));
  const ours = async () => {
    for (const entry of await readdir(out)) {
      if (entry !== 'data') await rm(join(out, entry), { recursive: true, force: true });
    }
    return [await timeOf({ name, args: given, until })];
  };
  const theirs = async () => [await timeOf({ name: 'node', args: ['-e', '0'], until: undefined })];
  await ours();
  const { ratio, ours: oursSeconds, theirs: theirsSeconds } = await measurePaired({ rounds, ours, theirs });
  const command = ['node', ...args].join(' ').replace(` --out ${OUT}`, '');
  const speed = { ratio: ratio.median, spread: ratio, oursSeconds, theirsSeconds };
  return { name, command, targetSeconds, speed };
}

function missing(script: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_BENCH_SCRIPT',
    message: 'The start of the command line is measured in a clone of the repository that is built',
    where: join(packageRoot(), script),
    fix: 'npm run build in a clone',
  });
}

interface Timed {
  name: string;
  args: readonly string[];
  until: RegExp | undefined;
}

/** Seconds from the start of a process to its end, or to the line that it is waited for; it is ended then. */
function timeOf({ name, args, until }: Timed): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    // A group of its own: what the process started ends with it.
    const child = spawn(process.execPath, args, {
      cwd: packageRoot(),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    let arrived: number | undefined;
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (arrived !== undefined || until?.test(text) !== true) return;
      arrived = seconds();
      process.kill(-(child.pid as number), 'SIGKILL');
    });
    child.once('error', reject);
    child.once('close', (status) => {
      if (until === undefined && status === 0) resolve(seconds());
      else if (arrived !== undefined) resolve(arrived);
      else reject(failed(name, text));
    });
  });
}

function failed(name: string, text: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_BENCH_PEER',
    message: `The benchmark process '${name}' failed`,
    found: text.trim().split('\n').slice(-6).join('\n            '),
    expected: 'a process that does what it was started for',
  });
}

/** The report as lines for a terminal. */
export function renderStartup({ rounds, node, cases }: StartupReport): string {
  const span = ({ median, min, max }: Spread) => `${median.toFixed(2)} s (${min.toFixed(2)}-${max.toFixed(2)})`;
  return [
    `new processes of Node ${node}, ${rounds} rounds, after one that is not counted`,
    ...cases.map(({ name, command, speed, targetSeconds }) => {
      const met = speed.oursSeconds.median <= targetSeconds ? 'met' : 'missed';
      const empty = `an empty process ${speed.theirsSeconds.median.toFixed(3)} s`;
      return `${name.padEnd(30)} ${span(speed.oursSeconds)}  target ${targetSeconds} s: ${met}  ${empty}  [${command}]`;
    }),
  ].join('\n');
}
