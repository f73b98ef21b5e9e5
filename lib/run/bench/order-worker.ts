/** Finds one step in a thread that has run nothing before. Speaks with order-case.ts only. */

import { parentPort, workerData } from 'node:worker_threads';
import { createStream, type StreamOptions } from '../../data/stream.ts';

/** What is to be found. */
export interface OrderTask {
  options: StreamOptions;
  step: number;
}

const { options, step } = workerData as OrderTask;
const start = performance.now();
createStream(options).step(step);
parentPort?.postMessage(performance.now() - start);
