/** The language model with its adapters merged in float32 as a Hugging Face folder; projector and vision tower in files beside it. */

import { tf } from '../engine/tf.ts';
import { fromFloat32, toFloat32 } from '../formats/host-tensor.ts';
import type { TensorSource } from '../formats/safetensors.ts';
import { loraScaling, type ModelConfig } from '../model/config.ts';
import { mergedWeight } from '../model/lora.ts';
import { llamaShapes } from '../model/shapes.ts';
import {
  addProjector,
  addVision,
  ROUNDED,
  weightsOf,
  writeProjector,
  writeSettings,
  writeVision,
} from './companions.ts';
import type { ExportFormat, ExportSubject, ReadContext, ReloadedModel } from './format.ts';
import { gatherModel } from './gathered.ts';
import { writeLlamaFolder } from './llama-folder.ts';

/** The weights of the language model with the update of each adapter added. */
function mergedWeights(subject: ExportSubject): Map<string, TensorSource> {
  const weights = weightsOf(subject, llamaShapes(subject.config.llm).keys());
  const { lora } = subject.config;
  if (lora === undefined) return weights;
  const isTarget = (name: string): boolean => lora.targets.some((target) => name.endsWith(`.${target}.weight`));
  return new Map([...weights].map(([name, source]) => [name, isTarget(name) ? merge(subject, name, source) : source]));
}

function merge({ weights, config }: ExportSubject, name: string, source: TensorSource): TensorSource {
  const module = name.replace(/\.weight$/, '');
  const parts = [source, weights.get(`${module}.lora_A.weight`)!, weights.get(`${module}.lora_B.weight`)!];
  return {
    dtype: 'F32',
    shape: source.shape,
    read: async () => {
      const [weight, a, b] = await Promise.all(
        parts.map(async (part) => tf.tensor(toFloat32(await part.read()), [...part.shape], 'float32')),
      );
      const sum = mergedWeight(weight!, { a: a!, b: b! }, loraScaling(config.lora!));
      tf.dispose([weight!, a!, b!]);
      const values = await sum.data<'float32'>();
      sum.dispose();
      return fromFloat32(values, source.shape);
    },
  };
}

async function open(folder: string, context: ReadContext): Promise<ReloadedModel> {
  const { lora: _, ...rest } = context.config;
  const config: ModelConfig = rest;
  return gatherModel(config, async (weights) => {
    await weights.addFile({ path: folder, expected: llamaShapes(config.llm) });
    await addProjector(folder, context, weights);
    await addVision(folder, context, weights);
  });
}

export const merged: ExportFormat = {
  name: 'merged',
  summary: 'Hugging Face LLaMA folder with the adapters merged; projector and vision tower beside it',
  merges: true,
  transformers: true,
  takes: ['dtype', 'shardBytes'],
  async write(subject, folder, options) {
    const { config, vocabulary } = subject;
    await writeLlamaFolder(folder, { config: config.llm, vocabulary, weights: mergedWeights(subject), ...options });
    await writeProjector(subject, folder);
    await writeVision(subject, folder);
    await writeSettings(subject, folder);
    return { tolerance: ROUNDED[options.dtype ?? 'F32'], settings: {} };
  },
  open,
  usage: () =>
    [
      '```python',
      'from safetensors.torch import load_file',
      'from transformers import AutoTokenizer, LlamaForCausalLM',
      '',
      'folder = "."  # this folder',
      'model = LlamaForCausalLM.from_pretrained(folder).eval()',
      'tokenizer = AutoTokenizer.from_pretrained(folder)',
      'projector = load_file(f"{folder}/projector.safetensors")  # llama_proj.weight, llama_proj.bias, ln_vision.*',
      '```',
    ].join('\n'),
};
