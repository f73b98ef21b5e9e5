/** Our side of `tristage bench load`: weights of a language model from a file to the engine, matrices in bfloat16. */
import { openEngine } from '../../engine/engine.ts';
import { loadLanguageModel } from './language-model.ts';
import { servePeer } from './peer.ts';

const [backend, path, threads] = process.argv.slice(2) as [string, string, string];
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});

/** Seconds and processor time of one load. The process ends with the model: what it leaves behind is fresh for nobody. */
async function load(): Promise<{ seconds: number; cpu: number }> {
  const before = process.cpuUsage();
  const start = performance.now();
  await loadLanguageModel(path, 'bf16');
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6 };
}

await servePeer({
  load,
  describe: () => engine,
  // ru_maxrss is in KiB on Linux, as the other side reports it.
  peak: () => ({ bytes: process.resourceUsage().maxRSS * 1024 }),
});
