/** Work that an interrupt stops and the same command takes up again. */

import type { Logger } from '../lib/core/log.ts';
import { INTERRUPTED } from './commands/train.ts';

/**
 * Runs such work; the first interrupt asks it to stop.
 * @returns 0, or the status of an interrupted command
 */
export async function resumable(logger: Logger, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  try {
    await work(controller.signal);
    return 0;
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    logger.warn('interrupted; the same command goes on where this one stopped');
    return INTERRUPTED;
  }
}
