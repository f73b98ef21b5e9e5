/** EVA ViT, ln_vision, joining and projection against the reference's own outputs. */
import { basename, join } from 'node:path';
import { tf } from '../../../lib/engine/tf.ts';
import type { VisionConfig } from '../../../lib/model/config.ts';
import { projectorParams, visionParams } from '../../../lib/model/params.ts';
import { joinNeighbours, project } from '../../../lib/model/projector.ts';
import { PROJECTOR_PREFIX, type ShapeTable, visionShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams, type ParamStore, type WeightSource } from '../../../lib/model/store.ts';
import { evaVit, visualTokens } from '../../../lib/model/vision/eva-vit.ts';
import {
  holdingTrace,
  hostWeight,
  LIMITS,
  type Recorded,
  type Report,
  readJson,
  readTensors,
  recorded,
  report,
} from '../fixture.ts';
import type { ParityResult } from '../result.ts';

interface EvaFixture {
  dims: {
    img: number;
    patch: number;
    dim: number;
    depth: number;
    heads: number;
    mlp_hidden: number;
    llama_dim: number;
  };
  flags: { block_norm_eps: number; ln_vision_eps: number };
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const { dims, flags } = await readJson<EvaFixture>(dir, 'config.json');
  const config: VisionConfig = {
    imageSize: dims.img,
    patch: dims.patch,
    width: dims.dim,
    depth: dims.depth,
    heads: dims.heads,
    mlpHidden: dims.mlp_hidden,
    eps: flags.block_norm_eps,
    lnEps: flags.ln_vision_eps,
  };
  const weights = await readTensors(join(dir, 'weights.safetensors'));
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const source: WeightSource = (name) => {
    const tensor = weights.get(name);
    if (tensor === undefined) throw new Error(`the fixture has no weight '${name}'`);
    return hostWeight(tensor);
  };
  const joined = weights.get(`${PROJECTOR_PREFIX}weight`)?.shape[1] ?? 0;
  const shapes: ShapeTable = new Map([
    ...visionShapes(config),
    [`${PROJECTOR_PREFIX}weight`, [dims.llama_dim, joined]],
    [`${PROJECTOR_PREFIX}bias`, [dims.llama_dim]],
  ]);
  const checks = report(basename(dir));
  const compare = (prefix: string, from: WeightSource) => {
    const store = createParams({ shapes, source: from, trainable: () => false, seed: 0 });
    compareForward({ checks, io, prefix, config, store, join: joined / config.width });
    disposeParams(store);
  };
  compare('native', source);
  compare('interp', (name) =>
    name === 'visual_encoder.pos_embed'
      ? { shape: io.shape('interp.pos_embed_small'), values: io.floats('interp.pos_embed_small') }
      : source(name),
  );
  compareProbe({ checks, io, config, shapes, source });
  return checks.results;
}

interface Comparison {
  checks: Report;
  io: Recorded;
  config: VisionConfig;
}

function compareForward(request: Comparison & { prefix: string; store: ParamStore; join: number }): void {
  const { checks, io, prefix, config, store } = request;
  const params = visionParams(store, config);
  const { trace, held, release } = holdingTrace();
  tf.tidy(() => {
    const seen = evaVit({ pixels: io.tensor('image'), params, config, trace });
    trace('vit_out', seen);
    const joined = joinNeighbours(visualTokens({ x: seen, params, config, trace }), request.join);
    trace('concat4', joined);
    trace('proj_out', project(joined, projectorParams(store)));
  });
  held.set('pos_embed_resized', tf.keep(tf.clone(params.posEmbed)));
  for (const name of io.names(`${prefix}.`)) {
    if (name.endsWith('.pos_embed_small')) continue;
    const tensor = held.get(name.slice(prefix.length + 1));
    checks.close(name, tensor?.dataSync() ?? [], io.floats(name), LIMITS.activation);
  }
  release();
}

/** Small inputs, so that a wrong epsilon shows. */
function compareProbe(request: Comparison & { shapes: ShapeTable; source: WeightSource }): void {
  const { checks, io, config, shapes, source } = request;
  const shrunk = /^visual_encoder\.(cls_token|pos_embed|patch_embed\.proj\.(weight|bias))$/;
  const store = createParams({
    shapes,
    source: (name) => {
      const weight = source(name);
      if (weight === undefined || !shrunk.test(name)) return weight;
      return { shape: weight.shape, values: weight.values.map((value) => value * 1e-3) };
    },
    trainable: () => false,
    seed: 0,
  });
  const params = visionParams(store, config);
  const { trace, held, release } = holdingTrace();
  tf.tidy(() => {
    evaVit({ pixels: io.tensor('image'), params, config, trace });
    visualTokens({ x: io.tensor('eps_probe.ln_in'), params, config, trace });
  });
  for (const [part, name] of [
    ['block0', 'block0'],
    ['ln_out', 'ln_vision'],
  ] as const) {
    checks.close(`eps_probe.${part}`, held.get(name)?.dataSync() ?? [], io.floats(`eps_probe.${part}`), LIMITS.probe);
  }
  release();
  disposeParams(store);
}
