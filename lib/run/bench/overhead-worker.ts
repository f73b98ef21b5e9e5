/** Our side of `tristage bench overhead`: the time of an operation on a single number, where the computing is nothing. */
import { openEngine } from '../../engine/engine.ts';
import { type Scalar, tf } from '../../engine/tf.ts';
import { native, operator } from '../../engine/torch/binding.ts';
import { servePeer } from './peer.ts';

const [backend, threads] = process.argv.slice(2);
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});

/** Seconds of one call, of so many. */
function timed(count: number, call: () => void): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) call();
  return (performance.now() - start) / 1000 / count;
}

/** Straight through the addon: the operator, its result as a handle, and the handle's release. */
function addonCall(count: number): number {
  const add = operator('aten::add.Tensor');
  const one = Float32Array.of(1);
  const [a, b] = [1, 2].map(() => native().fromData(one, 'float32', [1], 'float32', 'cpu')) as [number, number];
  const seconds = timed(count, () => native().release(add(a, b)));
  native().release(a);
  native().release(b);
  return seconds;
}

/** As model code does it: tfjs's engine, its tensors, our kernel, the addon. */
function tfCall(count: number): number {
  const [a, b] = [tf.scalar(1), tf.scalar(2)] as [Scalar, Scalar];
  const seconds = timed(count, () => tf.add(a, b).dispose());
  a.dispose();
  b.dispose();
  return seconds;
}

const CALLS: Readonly<Record<string, (count: number) => number>> = { addon: addonCall, tf: tfCall };

const time = ({ call, count }: { call: string; count: number }) => ({ seconds: CALLS[call]!(count) });

await servePeer({
  time: (command) => time(command as never),
  describe: () => engine,
});
