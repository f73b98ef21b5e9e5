/** Our side of `tristage bench ops`: times one op, forward and backward, on the engine named on the command line. */
import { vectorJacobianProduct } from '../../engine/autograd/index.ts';
import { openEngine } from '../../engine/engine.ts';
import { tf } from '../../engine/tf.ts';
import { OPS } from './op-runs.ts';
import { servePeer } from './peer.ts';

type Shape = Readonly<Record<string, number>>;

/** Seconds of `count` runs. Small results are read back, so that no engine can put work off. */
function time({ op, shape, count }: { op: string; shape: Shape; count: number }): { seconds: number[] } {
  return tf.tidy(() => {
    const { run, leaves } = OPS[op]!(shape);
    const dy = tf.onesLike(run());
    const seconds: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      tf.tidy(() => {
        if (leaves.length === 0) {
          run();
        } else {
          vectorJacobianProduct(() => [run()], leaves, dy);
        }
      });
      seconds.push((performance.now() - start) / 1000);
    }
    return { seconds };
  });
}

const [backend, threads] = process.argv.slice(2);
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});
await servePeer({ time: (command) => time(command as never), describe: () => engine });
