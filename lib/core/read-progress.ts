/**
 * How far files have been read, for whoever waits. Readers say where they are; who watches hears it from the readers that work on
 * its behalf, and nobody has to hand anything through.
 */

import { AsyncLocalStorage } from 'node:async_hooks';

/** @param position bytes from the start of the file */
export type ReadSink = (path: string, position: number) => void;

const sinks = new AsyncLocalStorage<ReadSink>();

/** Said by a reader from time to time; costs next to nothing where nobody watches. */
export function noteRead(path: string, position: number): void {
  sinks.getStore()?.(path, position);
}

/** Does some work and hears of the files that are read for it. */
export function watchReads<T>(sink: ReadSink, work: () => T): T {
  return sinks.run(sink, work);
}
