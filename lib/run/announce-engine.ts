/** What a run says of the engine that it opened. */

import type { Logger } from '../core/log.ts';
import type { EngineInfo } from '../engine/engine.ts';

/** Says which engine computes, where and why; and warns of what is slower on this device than it could be. */
export function announceEngine(logger: Logger, engine: EngineInfo): void {
  const { backend, version, device, threads, why, slower = [] } = engine;
  logger.info(`engine: ${backend} ${version} on ${device}, ${threads} threads (${why})`);
  for (const what of slower) logger.warn(`the engine computes in a slower way: no ${what}`);
}
