/** A logger whose lines are kept instead of printed. */

import { createLogger, type Logger } from '../../../lib/core/log.ts';

export function silentLines(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  return { logger: createLogger({ sink: (line) => void lines.push(line) }), lines };
}
