/** LLaMA with adapters: beside the weights, left out, merged, and as PEFT saves them, against PEFT's numbers. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import { readPeftConfig } from '../../../lib/checkpoint/peft.ts';
import { tf } from '../../../lib/engine/tf.ts';
import type { HostTensor } from '../../../lib/formats/host-tensor.ts';
import type { LoraConfig, LoraTarget } from '../../../lib/model/config.ts';
import { mergedWeight } from '../../../lib/model/lora.ts';
import {
  type LlamaParams,
  type LoraPair,
  type LoraParams,
  llamaParams,
  loraParams,
} from '../../../lib/model/params.ts';
import { llamaShapes, loraShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams, trainableOf, type WeightSource } from '../../../lib/model/store.ts';
import { hostWeight, LIMITS, type Recorded, type Report, readJson, readTensors, recorded, report } from '../fixture.ts';
import {
  caseLogits,
  compareCase,
  type LanguageModel,
  llamaConfigOf,
  type RecordedLlama,
  readCase,
} from '../language.ts';
import type { ParityResult } from '../result.ts';
import { byPublishedName, fixtureWeights } from '../weights.ts';

interface LoraFixture {
  llama_config: RecordedLlama;
  rope_theta?: number;
  lora: { r: number; alpha: number; dropout: number; target_modules: LoraTarget[]; use_rslora?: boolean };
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const fixture = await readJson<LoraFixture>(dir, 'config.json');
  const config = llamaConfigOf(fixture.llama_config, fixture.rope_theta);
  const { r: rank, alpha, dropout, target_modules: targets, use_rslora: rslora = false } = fixture.lora;
  const lora: LoraConfig = { rank, alpha, dropout, targets, rslora };
  const weights = fixtureWeights(await readTensors(join(dir, 'weights.safetensors')));
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const store = createParams({
    shapes: new Map([...llamaShapes(config), ...loraShapes(config, lora)]),
    source: weights.source,
    trainable: (name) => name.includes('.lora_'),
    seed: 0,
  });
  const trainable = byPublishedName(weights, trainableOf(store));
  const model = { config, params: llamaParams(store, config), lora: loraParams(store, lora, config.layers), trainable };
  const checks = report(basename(dir));
  const prefixes = io.names('').flatMap((name) => /^([^.]+)\.logits$/.exec(name)?.[1] ?? []);
  for (const prefix of prefixes) compareCase({ checks, io, prefix, model });
  compareWithout({ checks, io, model });
  const expected = recorded(await readTensors(join(dir, 'merged.safetensors')));
  compareMerged({ checks, io, model, expected });
  await compareAdapterFolder({ folder: join(dir, 'adapter'), checks, io, model });
  disposeParams(store);
  return checks.results;
}

type Adapted = LanguageModel & { lora: LoraParams };

interface Comparison {
  checks: Report;
  io: Recorded;
  model: Adapted;
}

/** The adapter as PEFT saved it, in each container that the folder holds, in the place of the fixture's own. */
async function compareAdapterFolder({ folder, checks, io, model }: Comparison & { folder: string }): Promise<void> {
  const { rank, alpha, dropout, targets, rslora } = await readPeftConfig(folder);
  const lora: LoraConfig = { rank, alpha, dropout, targets: targets as LoraTarget[], rslora };
  const shapes = loraShapes(model.config, lora);
  const files = (await readdir(folder)).filter((name) => name.startsWith('adapter_model.'));
  for (const file of files.sort()) {
    const { tensors } = await readWeights({ path: join(folder, file), expected: shapes });
    const source: WeightSource = (name) => hostWeight(tensors.get(name) as HostTensor);
    const store = createParams({ shapes, source, trainable: () => false, seed: 0 });
    const adapted = { ...model, lora: loraParams(store, lora, model.config.layers) };
    for (const name of io.names('').filter((each) => /^[^.]+\.logits$/.test(each))) {
      const prefix = name.split('.')[0] ?? '';
      compareLogits({ checks, io, prefix, name, model: adapted, label: `adapter/${file} ${name}` });
    }
    disposeParams(store);
  }
  checks.equal('adapter files', [files.length > 0], [true]);
}

/** The adapters left out. */
function compareWithout({ checks, io, model }: Comparison): void {
  const { config, params, trainable } = model;
  for (const name of io.names('').filter((each) => each.endsWith('.logits_base_only'))) {
    compareLogits({ checks, io, prefix: name.split('.')[0] ?? '', name, model: { config, params, trainable } });
  }
}

/** The adapters folded into the weights. */
function compareMerged({ checks, io, model, expected }: Comparison & { expected: Recorded }): void {
  const params = mergedParams(model.params, model.lora);
  for (const published of expected.names('')) {
    const [, layer = '', target = ''] = /layers\.(\d+)\.\w+\.(\w+)\.weight$/.exec(published) ?? [];
    const weight = params.blocks[Number(layer)]?.linears[target as LoraTarget];
    checks.close(`merged ${published}`, weight?.dataSync() ?? [], expected.floats(published), LIMITS.merged);
  }
  const merged = { config: model.config, params, trainable: model.trainable };
  for (const name of io.names('merged.')) {
    compareLogits({ checks, io, prefix: name.split('.')[1] ?? '', name, model: merged });
  }
  params.blocks.forEach((block, layer) => {
    for (const target of Object.keys(model.lora.layers[layer] ?? {})) block.linears[target as LoraTarget].dispose();
  });
}

function mergedParams(params: LlamaParams, lora: LoraParams): LlamaParams {
  const blocks = params.blocks.map((block, layer) => {
    const linears = { ...block.linears };
    for (const [target, pair] of Object.entries(lora.layers[layer] ?? {}) as [LoraTarget, LoraPair][]) {
      linears[target] = mergedWeight(block.linears[target], pair, lora.scaling);
    }
    return { ...block, linears };
  });
  return { ...params, blocks };
}

function compareLogits(request: {
  checks: Report;
  io: Recorded;
  prefix: string;
  name: string;
  model: LanguageModel;
  label?: string;
}): void {
  const { checks, io, prefix, name, model, label = name } = request;
  const input = readCase(io, prefix, model.params);
  const logits = caseLogits(model, input);
  checks.close(label, logits.dataSync(), io.floats(name), LIMITS.activation, input.mask);
  tf.dispose([logits, input.embeddings]);
}
