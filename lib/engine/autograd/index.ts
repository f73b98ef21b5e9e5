/** Differentiation: the value of a function and its gradients, and blocks that are recomputed. */
export { recompute } from './recompute.ts';
export { type ValueAndGrads, valueAndGrads } from './value-and-grads.ts';
