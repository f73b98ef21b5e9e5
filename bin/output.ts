/** Streams and colours: results go to stdout, everything else to stderr. */

import { Chalk, type ChalkInstance } from 'chalk';
import { faultsOf } from '../lib/config/errors.ts';
import { formatError, TristageError } from '../lib/core/errors.ts';
import { createLogger, type Logger } from '../lib/core/log.ts';
import { openScreen } from '../lib/core/screen.ts';
import type { Display } from '../lib/run/progress.ts';

/** Whether a stream gets colours: never with NO_COLOR or TERM=dumb, always with FORCE_COLOR, else on a terminal. */
export function wantsColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

function paintFor(stream: NodeJS.WriteStream): ChalkInstance {
  return new Chalk({ level: wantsColor(stream) ? 1 : 0 });
}

/** Whether stderr is a terminal that someone watches: a build machine's is not, even where it pretends. */
function isWatched(env: NodeJS.ProcessEnv): boolean {
  const ci = env['CI'] !== undefined && !['', '0', 'false'].includes(env['CI']);
  return process.stderr.isTTY === true && env['TERM'] !== 'dumb' && !ci;
}

const BAR = { done: 'cyan', rest: 'gray', value: 'white', label: 'gray' } as const;

/** Logger and progress bar on stderr; without a terminal the logger alone. */
export function trainingOutput(env: NodeJS.ProcessEnv = process.env): { logger: Logger; display?: Display } {
  if (!isWatched(env)) return { logger: stderrLogger() };
  const screen = openScreen(process.stderr);
  const chalk = paintFor(process.stderr);
  return {
    logger: stderrLogger((line) => screen.line(line)),
    display: {
      columns: screen.columns,
      status: screen.status,
      paint: (part, text) => chalk[BAR[part]](text),
    },
  };
}

/** A logger on stderr; warnings and errors in colour where colour is wanted. */
export function stderrLogger(sink?: (line: string) => void): Logger {
  const chalk = paintFor(process.stderr);
  return createLogger({
    ...(sink === undefined ? {} : { sink }),
    paint: (level, line) => (level === 'warn' ? chalk.yellow(line) : level === 'error' ? chalk.red(line) : line),
  });
}

const PAINTS = { good: 'green', bad: 'red', note: 'yellow' } as const;

/** A reader that has seen enough, such as `head`, closes the pipe: what is left is not printed, and that is no fault. */
export function allowClosedPipe(stream: NodeJS.WritableStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/** Colours of the doctor's report on stdout. */
export function doctorPaint(): (meaning: 'good' | 'bad' | 'note', text: string) => string {
  const chalk = paintFor(process.stdout);
  return (meaning, text) => chalk[PAINTS[meaning]](text);
}

/** Prints a result: text as it is, with `--json` one JSON document. */
export function printResult(value: unknown, text: string, json: boolean): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text}\n`);
}

/** An error as data, for `--json`. */
export function errorData(error: unknown): Record<string, unknown> {
  if (!(error instanceof TristageError)) return { message: error instanceof Error ? error.message : String(error) };
  const { code, kind, message, where, found, expected, fix } = error;
  return { code, kind, message, where, found, expected, fix };
}

/**
 * Reports a failure: every fault in full on stderr, with `--json` also as one document on stdout.
 * @param debug adds the stack trace
 * @returns the exit status
 */
export function reportFailure(error: unknown, { debug = false, json = false }): number {
  const chalk = paintFor(process.stderr);
  const faults = faultsOf(error);
  const text = faults.map((fault) => chalk.red(formatError(fault))).join('\n');
  process.stderr.write(`${text}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? error.message}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, errors: faults.map(errorData) }, null, 2)}\n`);
  return error instanceof TristageError ? error.exitStatus : 1;
}
