/** What a part writes: one JSON object a line on stdout, so that what was measured before a failure stays. */

/** One thing that was checked or measured. */
export interface GpuRecord {
  name: string;
  ok: boolean;
  /** Why not, or how close. */
  detail?: string;
  [measured: string]: unknown;
}

/** Writes one record. */
export function emit(record: GpuRecord): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

/** First line of what went wrong. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').slice(0, 3).join(' ').slice(0, 500);
}

/** Runs `f` and writes whether it threw. */
export async function emitOutcome(name: string, f: () => Promise<void>): Promise<void> {
  try {
    await f();
    emit({ name, ok: true });
  } catch (error) {
    emit({ name, ok: false, detail: reasonOf(error) });
  }
}
