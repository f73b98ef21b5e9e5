/** The adapter as PEFT keeps it, the projector beside it, and what was trained here of the rest. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spelled } from '../checkpoint/names.ts';
import { readPeftConfig } from '../checkpoint/peft.ts';
import { TristageError } from '../core/errors.ts';
import { writeSafetensorsFrom } from '../formats/safetensors.ts';
import type { LoraConfig, LoraTarget, ModelConfig } from '../model/config.ts';
import { loraShapes } from '../model/shapes.ts';
import {
  addBase,
  addProjector,
  addVision,
  isOutside,
  ROUNDED,
  weightsOf,
  writeBase,
  writeProjector,
  writeSettings,
  writeVision,
} from './companions.ts';
import type { ExportFormat, ExportSubject, ReadContext, ReloadedModel } from './format.ts';
import { gatherModel } from './gathered.ts';

const WEIGHTS = 'adapter_model.safetensors';

function adapterOf({ lora }: ModelConfig): LoraConfig {
  if (lora !== undefined) return lora;
  throw new TristageError({
    kind: 'usage',
    code: 'E_EXPORT_FORMAT',
    message: 'the run has no adapters, which is all that this format is made for',
    found: 'no model.lora',
    expected: 'a run with adapters',
    fix: 'export it with --format merged',
  });
}

/** Settings as PEFT writes them; only `r`, `lora_alpha`, `use_rslora`, `target_modules` and the dropout matter to the maths. */
function adapterConfig(subject: ExportSubject, lora: LoraConfig) {
  const published = subject.outside.find(({ part }) => part === 'llm');
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: published?.path ?? 'base',
    revision: null,
    inference_mode: true,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    target_modules: [...lora.targets],
    bias: 'none',
    fan_in_fan_out: false,
    modules_to_save: null,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: {},
    alpha_pattern: {},
    auto_mapping: null,
    use_rslora: lora.rslora ?? false,
    use_dora: false,
  };
}

async function open(folder: string, context: ReadContext): Promise<ReloadedModel> {
  // The adapter's settings come from its own file, as they would elsewhere.
  const { rank, alpha, dropout, targets, rslora } = await readPeftConfig(folder);
  const lora: LoraConfig = { rank, alpha, dropout, targets: targets as LoraTarget[], rslora };
  const config = { ...context.config, lora };
  return gatherModel(config, async (weights) => {
    await weights.addFile({ path: join(folder, WEIGHTS), expected: loraShapes(config.llm, lora) });
    await addProjector(folder, context, weights);
    await addVision(folder, context, weights);
    await addBase(folder, context, weights);
  });
}

export const peft: ExportFormat = {
  name: 'peft',
  summary: 'LoRA adapter for PEFT, with projector, and base model and vision tower where they were trained here',
  transformers: true,
  takes: ['dtype', 'shardBytes'],
  async write(subject, folder, options) {
    const lora = adapterOf(subject.config);
    const names = [...loraShapes(subject.config.llm, lora).keys()];
    const weights = new Map([...weightsOf(subject, names)].map(([name, source]) => [spelled(name, 'peft'), source]));
    await writeSafetensorsFrom(join(folder, WEIGHTS), weights, { format: 'pt' });
    await writeFile(join(folder, 'adapter_config.json'), `${JSON.stringify(adapterConfig(subject, lora), null, 2)}\n`);
    await writeProjector(subject, folder);
    await writeVision(subject, folder);
    await writeBase(subject, folder, options);
    await writeSettings(subject, folder);
    const { dtype = 'F32' } = options;
    const rounded = dtype !== 'F32' && !isOutside(subject, 'llm');
    return { tolerance: rounded ? ROUNDED[dtype] : 1e-5, settings: {} };
  },
  open,
  usage: ({ outside }) => {
    const published = outside.find(({ part }) => part === 'llm');
    const base = published === undefined ? 'f"{folder}/base"' : JSON.stringify(published.path);
    return [
      '```python',
      'from peft import PeftModel',
      'from safetensors.torch import load_file',
      'from transformers import AutoTokenizer, LlamaForCausalLM',
      '',
      'folder = "."  # this folder',
      `base = LlamaForCausalLM.from_pretrained(${base})`,
      'model = PeftModel.from_pretrained(base, folder).eval()',
      'tokenizer = AutoTokenizer.from_pretrained(folder)',
      'projector = load_file(f"{folder}/projector.safetensors")  # llama_proj.weight, llama_proj.bias, ln_vision.*',
      '```',
    ].join('\n');
  },
};
