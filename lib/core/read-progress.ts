/**
 * How far files have been read, for whoever waits. Readers say where they are and need not know who listens; who listens hears of
 * all files that this process reads, and looks for its own.
 */

/** @param position bytes from the start of the file */
export type ReadSink = (path: string, position: number) => void;

const sinks = new Set<ReadSink>();

/** Said by a reader from time to time; costs next to nothing where nobody listens. */
export function noteRead(path: string, position: number): void {
  for (const sink of sinks) sink(path, position);
}

/** Does some work and hears of the files that are read meanwhile. */
export async function watchReads<T>(sink: ReadSink, work: () => Promise<T>): Promise<T> {
  sinks.add(sink);
  try {
    return await work();
  } finally {
    sinks.delete(sink);
  }
}
