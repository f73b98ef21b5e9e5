/** The torch engine: set up, opened, advised on. */

export { torchAdvice } from './advice.ts';
export { computeTorchIn, type OpenTorchOptions, openTorch } from './open.ts';
export type { SetupOptions } from './setup.ts';
