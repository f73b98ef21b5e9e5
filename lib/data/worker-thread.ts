/** Threads of our own modules, from compiled files and from source alike, and errors on their way out of them. */

import { Worker } from 'node:worker_threads';
import { TristageError } from '../core/errors.ts';

/** An error as plain data; classes do not survive the way between threads. */
export interface PlainError {
  message: string;
  details?: Omit<ConstructorParameters<typeof TristageError>[0], 'cause'>;
}

/**
 * Starts a thread that runs a module: the compiled file, or from source the TypeScript file through the same loader as the main
 * thread, which does not reach into workers by itself.
 * @param file URL of the TypeScript file beside the caller
 */
export function startThread(file: URL, workerData: unknown): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL(file.href.replace(/\.ts$/, '.js')), { workerData });
  }
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const code = `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(file.href)}); })`;
  return new Worker(code, { eval: true, workerData });
}

/** What {@link errorOf} makes an error of again. */
export function describeError(error: unknown): PlainError {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof TristageError)) return { message };
  const { kind, code, where, found, expected, fix } = error;
  const facts = Object.entries({ where, found, expected, fix }).filter(([, value]) => value !== undefined);
  return { message, details: { kind, code, message, ...Object.fromEntries(facts) } };
}

/** The error that a thread described. */
export function errorOf({ message, details }: PlainError): Error {
  return details === undefined ? new Error(message) : new TristageError(details);
}
