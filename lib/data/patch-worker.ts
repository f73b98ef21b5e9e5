/** The thread that draws images with the truth of each patch. Speaks with patch-scenes.ts only. */

import { parentPort, workerData } from 'node:worker_threads';
import type {
  PatchModule,
  PatchOptions,
  PatchReply,
  PatchRequest,
  PatchScene,
  PatchScenes,
  PatchSplit,
} from './patch-scenes.ts';
import { describeError } from './worker-thread.ts';

const { module, ...options } = workerData as PatchOptions & { module: string };

async function openModule(): Promise<PatchScenes> {
  const { openPatches } = (await import(module)) as PatchModule;
  return await openPatches(options);
}

const opening = openModule();
// Told with the first reply; until then it must not count as unhandled.
opening.catch(() => undefined);

function drawn(scenes: PatchScenes, { split, from, count }: { split: PatchSplit; from: number; count: number }) {
  const at = (place: number): number => (split === 'train' ? (from + place) % scenes.length : from + place);
  const list = Array.from({ length: count }, (_, place) => scenes.scene(split, at(place)));
  return {
    pixels: joined(Uint8Array, list, ({ pixels }) => pixels),
    classes: joined(Uint8Array, list, ({ classes }) => classes),
    boxes: joined(Float32Array, list, ({ boxes }) => boxes),
  };
}

/** Arrays of equal length, one after another. */
function joined<A extends Uint8Array | Float32Array>(
  Kind: new (length: number) => A,
  scenes: readonly PatchScene[],
  part: (scene: PatchScene) => A,
): A {
  const length = scenes[0] === undefined ? 0 : part(scenes[0]).length;
  const all = new Kind(length * scenes.length);
  for (const [place, scene] of scenes.entries()) all.set(part(scene), place * length);
  return all;
}

parentPort?.on('message', async (request: PatchRequest) => {
  try {
    const scenes = await opening;
    if (!('split' in request)) {
      const { kinds, length, fingerprint } = scenes;
      parentPort?.postMessage({ id: request.id, facts: { kinds, length, fingerprint } } satisfies PatchReply);
      return;
    }
    const images = drawn(scenes, request);
    const memory = [images.pixels.buffer, images.classes.buffer, images.boxes.buffer] as ArrayBuffer[];
    parentPort?.postMessage({ id: request.id, images } satisfies PatchReply, memory);
  } catch (error) {
    parentPort?.postMessage({ id: request.id, failure: describeError(error) } satisfies PatchReply);
  }
});
