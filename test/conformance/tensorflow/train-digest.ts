/** A program: trains a small perceptron on TensorFlow and prints a digest of every loss and weight. */
import { sha256 } from '../../../lib/core/hash.ts';
import { openEngine } from '../../../lib/engine/engine.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { digestibleTraining } from './training.ts';

await openEngine({ backend: 'tensorflow', device: 'cpu', threads: Number(process.argv[2]) });
const { losses, weights } = digestibleTraining(10);
const bytes = [Float32Array.from(losses), ...weights].map((values) => Buffer.from(values.buffer).toString('hex'));
process.stdout.write(`digest ${sha256(bytes.join())} on ${tf.getBackend()}\n`);
