/**
 * `minigptv2`: a model as the reference program has it, in its three kinds of file. `minigptv2_checkpoint.pth` holds what the reference
 * saves (the weights that train there: adapters and projector). What was trained here and the reference takes from published files lies
 * beside it in the form of those files: `base/` for LLaMA-2, `eva_vit.pth` for `eva_vit_g.pth`. (Names and layout: the checkpoints
 * and model code of MiniGPT-v2.)
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Spelling, spelled } from '../checkpoint/names.ts';
import { TristageError } from '../core/errors.ts';
import { toFloat32 } from '../formats/host-tensor.ts';
import type { TensorSource } from '../formats/tensor-source.ts';
import { writeTorchFile } from '../formats/torch-zip-writer.ts';
import { type LoraConfig, loraScaling, type ModelConfig } from '../model/config.ts';
import { LN_VISION_PREFIX, loraShapes, projectorShapes, type ShapeTable, visionShapes } from '../model/shapes.ts';
import { addBase, addVision, isOutside, weightsOf, writeBase, writeSettings } from './companions.ts';
import type { ExportFormat, ExportSubject, ReadContext } from './format.ts';
import { gatherModel } from './gathered.ts';

const FILES = { checkpoint: 'minigptv2_checkpoint.pth', vision: 'eva_vit.pth', config: 'minigptv2.yaml' } as const;

/** Weights are stored as they are. */
const TOLERANCE = 1e-5;

const SPELLINGS = { plain: 'minigptv2', default: 'minigptv2-default' } as const satisfies Record<string, Spelling>;

export const minigptv2: ExportFormat = {
  name: 'minigptv2',
  summary: 'the .pth of MiniGPT-v2: adapters and projector under its names',
  takes: ['loraKeys'],
  async write(subject, folder, { loraKeys = 'plain' }) {
    refuseOther(subject);
    const names = [...trainedShapes(subject.config).keys(), ...(await usedNorm(subject))];
    await writeState(join(folder, FILES.checkpoint), weightsOf(subject, names), {
      spelling: SPELLINGS[loraKeys],
      under: 'model',
    });
    if (!isOutside(subject, 'vision')) {
      const tower = weightsOf(subject, towerShapes(subject.config).keys());
      await writeState(join(folder, FILES.vision), tower, { spelling: 'eva' });
    }
    await writeBase(subject, folder, {});
    await writeSettings(subject, folder);
    await writeFile(join(folder, FILES.config), configText(subject));
    return { tolerance: TOLERANCE, settings: { loraKeys } };
  },
  open(folder, context) {
    const { config } = context;
    const norm = normShapes(config);
    return gatherModel(config, async (weights) => {
      await weights.addFile({
        path: join(folder, FILES.checkpoint),
        expected: new Map([...trainedShapes(config), ...norm]),
        optional: (name) => norm.has(name),
      });
      // As in the reference, the norm behind the tower does nothing unless the checkpoint says otherwise.
      for (const [name, [width = 0]] of norm)
        weights.add(name, async () => ({ shape: [width], values: neutral(name, width) }));
      if (isOutside(context, 'vision')) await addVision(folder, context, weights);
      else {
        const path = join(folder, FILES.vision);
        await weights.addFile({ path, expected: towerShapes(config), vitDepth: config.vision.depth });
      }
      await addBase(folder, context, weights);
    });
  },
  usage,
};

/** The reference reads a SentencePiece vocabulary with the class of LLaMA and an EVA ViT, and knows no other. */
function refuseOther({ config: { vision }, vocabulary: { file } }: ExportSubject): void {
  const foreign = (['qkvBias', 'layerScale'] as const).filter((option) => vision[option] === true);
  if (vision.pixels === 'imagenet') throw notHeld('model.vision.pixels: imagenet', 'clip');
  if (foreign.length > 0) throw notHeld(`model.vision: ${foreign.join(', ')}`, 'a vision tower of the EVA family');
  if (file?.kind === 'fast')
    throw notHeld('model.tokenizer: a tokenizer.json', "LLaMA's own tokenizer, or a tokenizer.model");
}

function notHeld(found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_EXPORT_FORMAT',
    message: 'MiniGPT-v2 has no words for this model',
    where: '--format minigptv2',
    found,
    expected,
    fix: 'export it as peft, merged or tfjs',
  });
}

const isNorm = (name: string): boolean => name.startsWith(LN_VISION_PREFIX);

/** What the reference trains and saves, adapters first. */
function trainedShapes(config: ModelConfig): ShapeTable {
  const { llm, lora } = config;
  return new Map([...(lora === undefined ? [] : loraShapes(llm, lora)), ...projectorShapes(config)]);
}

function towerShapes({ vision }: ModelConfig): ShapeTable {
  return new Map([...visionShapes(vision)].filter(([name]) => !isNorm(name)));
}

function normShapes({ vision }: ModelConfig): ShapeTable {
  return new Map([...visionShapes(vision)].filter(([name]) => isNorm(name)));
}

function neutral(name: string, width: number): Float32Array {
  return new Float32Array(width).fill(name.endsWith('.weight') ? 1 : 0);
}

/**
 * The names of `ln_vision` where it does something. The reference never saves it, for there it is frozen at its start values; but it
 * loads it from the checkpoint when it is there.
 */
async function usedNorm({ config, weights }: ExportSubject): Promise<string[]> {
  const names = [...normShapes(config).keys()];
  for (const name of names) {
    const values = toFloat32(await (weights.get(name) as TensorSource).read());
    const rest = neutral(name, values.length);
    if (values.some((value, i) => value !== rest[i])) return names;
  }
  return [];
}

async function writeState(
  path: string,
  weights: ReadonlyMap<string, TensorSource>,
  { spelling, under }: { spelling: Spelling; under?: string },
): Promise<void> {
  const state = new Map([...weights].map(([name, source]) => [spelled(name, spelling), source]));
  await writeTorchFile(path, under === undefined ? state : new Map([[under, state]]));
}

/** `lora_alpha` for the reference, which scales by alpha / rank alone. */
function referenceAlpha(lora: LoraConfig): number {
  return loraScaling(lora) * lora.rank;
}

/** Where the reference finds the two published parts. */
function partPaths({ outside }: Pick<ReadContext, 'outside'>): { llm: string; vision: string } {
  const path = (part: 'llm' | 'vision'): string | undefined => outside.find((one) => one.part === part)?.path;
  return { llm: path('llm') ?? 'base', vision: path('vision') ?? FILES.vision };
}

/** The reference's settings for asking this model; numbers that are not the model's are those of its own evaluation. */
function configText(subject: Pick<ReadContext, 'config' | 'outside'>): string {
  const { vision: tower, lora } = subject.config;
  const { llm, vision } = partPaths(subject);
  return `# Settings of MiniGPT-v2's own program for this model. The program takes paths from where it is started: start it in this folder, or
# make them absolute. It fetches its vision tower by itself; this model's is ${vision}.
model:
  arch: minigpt_v2
  model_type: pretrain
  image_size: ${tower.imageSize}
  max_txt_len: 500
  end_sym: "</s>"
  prompt_template: "[INST] {} [/INST]"
  chat_template: true
  low_resource: false
  llama_model: ${JSON.stringify(llm)}
  ckpt: ${FILES.checkpoint}
  lora_r: ${lora?.rank ?? 0}
  lora_alpha: ${lora === undefined ? 0 : referenceAlpha(lora)}
datasets:
  cc_sbu_align:
    vis_processor:
      train: { name: blip2_image_eval, image_size: ${tower.imageSize} }
    text_processor:
      train: { name: blip_caption }
run:
  task: image_text_pretrain
`;
}

/** Sizes that the reference's code fixes: EVA ViT-g/14 without its last block, four tokens joined, adapters on q and v. */
function isReferenceShape({ vision, join: joined, lora }: ModelConfig): boolean {
  const targets = lora === undefined || [...lora.targets].sort().join() === 'q_proj,v_proj';
  return vision.width === 1408 && vision.depth === 39 && vision.patch === 14 && joined === 4 && targets;
}

function usage({ config, outside, settings }: Pick<ReadContext, 'config' | 'outside' | 'settings'>): string {
  const { llm, vision } = partPaths({ outside });
  const spelling =
    settings['loraKeys'] === 'default' ? '`lora_A.default.weight` (PEFT 0.3 and later)' : '`lora_A.weight` (PEFT 0.2)';
  const fits = isReferenceShape(config)
    ? `MiniGPT-v2's own program reads this model with \`${FILES.config}\` as its \`--cfg-path\`.`
    : `MiniGPT-v2's own program builds one size of vision tower only, and this model has another. The lines below load it into a model of
the same modules with the sizes of \`vision_config.json\`.`;
  return `\`${FILES.checkpoint}\` holds what MiniGPT-v2 saves: ${config.lora === undefined ? 'the projector' : `adapters, spelled ${spelling}, and the projector`}.
The language model is \`${llm}\` (a Hugging Face folder), the vision tower \`${vision}\` (EVA's names, no wrapper).

${fits}

\`\`\`python
import torch

# model: MiniGPT-v2 over the language model and the vision tower named above
checkpoint = torch.load("${FILES.checkpoint}", map_location="cpu", weights_only=True)
message = model.load_state_dict(checkpoint["model"], strict=False)
# Loading is not strict, because the frozen weights are not in the file. A wrong spelling of the adapters ends here:
assert not message.unexpected_keys, message.unexpected_keys
\`\`\``;
}
