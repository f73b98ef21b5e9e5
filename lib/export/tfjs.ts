/**
 * `tfjs`: the weights as `tf.io.loadWeights` reads them, in a browser or in Node, and the graph in words and shapes, since the model is
 * no file of TensorFlow.js layers: graph.json for programs, GRAPH.md for people.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { castFloat, type HostTensor, toFloat32 } from '../formats/host-tensor.ts';
import type { TensorSource } from '../formats/tensor-source.ts';
import { openTfjsWeights, TFJS_MANIFEST, type TfjsGroup, writeTfjsWeights } from '../formats/tfjs-weights.ts';
import type { ModelConfig } from '../model/config.ts';
import { LN_VISION_PREFIX, llamaShapes, loraShapes, projectorShapes, visionShapes } from '../model/shapes.ts';
import type { HostWeight } from '../model/store.ts';
import { addBase, addVision, isOutside, ROUNDED, weightsOf, writeSettings } from './companions.ts';
import type { ExportFormat, ExportSubject, ReadContext, ReloadedModel } from './format.ts';
import { gatherModel } from './gathered.ts';
import type { OutsidePart } from './request.ts';
import { modelGraph } from './tfjs-graph.ts';
import { graphText } from './tfjs-graph-text.ts';

const GRAPH = { json: 'graph.json', text: 'GRAPH.md' } as const;

export const tfjs: ExportFormat = {
  name: 'tfjs',
  summary: 'weights for TensorFlow.js, and the graph in words and shapes',
  takes: ['dtype', 'shardBytes'],
  async write(subject, folder, { dtype = 'F32', shardBytes }) {
    if (dtype === 'BF16') throw noBfloat16();
    await writeTfjsWeights(folder, weightGroups(subject, dtype), shardBytes);
    const graph = modelGraph(subject.config);
    await writeFile(join(folder, GRAPH.json), `${JSON.stringify(graph, null, 1)}\n`);
    await writeFile(join(folder, GRAPH.text), graphText(graph));
    await writeSettings(subject, folder);
    // As they are, or rounded to half precision: with the quickstart's model that moves a logit by 3e-4 of the largest one.
    return { tolerance: dtype === 'F32' ? 1e-5 : ROUNDED.F16, settings: { dtype } };
  },
  open,
  usage,
  async describe(folder) {
    const file = await openTfjsWeights(folder);
    const tensors: Record<string, { dtype: string; shape: number[]; sha256: string }> = {};
    for (const [name, { dtype, shape }] of file.entries) {
      tensors[name] = { dtype, shape: [...shape], sha256: sha256((await file.read(name)).bytes) };
    }
    return { [TFJS_MANIFEST]: tensors };
  },
};

/** Names of the weights that are loaded together; a part in published files has none. */
function groupNames(config: ModelConfig, outside: readonly OutsidePart[]): [group: string, names: string[]][] {
  const { vision, llm, lora } = config;
  const tower = [...visionShapes(vision).keys()];
  const isNorm = (name: string): boolean => name.startsWith(LN_VISION_PREFIX);
  const groups: [string, string[]][] = [
    ['vision', isOutside({ outside }, 'vision') ? [] : tower.filter((name) => !isNorm(name))],
    // No published tower holds ln_vision: it comes with the projector, which reads it.
    ['projector', [...tower.filter(isNorm), ...projectorShapes(config).keys()]],
    ['llm', isOutside({ outside }, 'llm') ? [] : [...llamaShapes(llm).keys()]],
    ['lora', lora === undefined ? [] : [...loraShapes(llm, lora).keys()]],
  ];
  return groups.filter(([, names]) => names.length > 0);
}

function weightGroups(subject: ExportSubject, dtype: 'F32' | 'F16'): TfjsGroup[] {
  return groupNames(subject.config, subject.outside).map(([name, names]) => {
    const weights = weightsOf(subject, names);
    return { name, weights: dtype === 'F32' ? weights : new Map([...weights].map(halved)) };
  });
}

function halved([name, source]: [string, TensorSource]): [string, TensorSource] {
  const read = async (): Promise<HostTensor> => {
    const tensor = await source.read();
    const half = castFloat(tensor, 'F16');
    const before = toFloat32(tensor);
    const lost = toFloat32(half).findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(before[i]));
    if (lost >= 0) throw tooLarge(name, before[lost] as number);
    return half;
  };
  return [name, { dtype: 'F16', shape: source.shape, read }];
}

async function open(folder: string, context: ReadContext): Promise<ReloadedModel> {
  const { config, outside } = context;
  const file = await openTfjsWeights(folder);
  const read = async (name: string): Promise<HostWeight> => {
    const tensor = await file.read(name);
    return { shape: tensor.shape, values: toFloat32(tensor) };
  };
  return gatherModel(config, async (weights) => {
    for (const name of groupNames(config, outside).flatMap(([, names]) => names)) weights.add(name, () => read(name));
    if (isOutside(context, 'vision')) await addVision(folder, context, weights);
    if (isOutside(context, 'llm')) await addBase(folder, context, weights);
  });
}

function formatError(details: { message: string; where?: string; found: string; expected: string; fix: string }) {
  return new TristageError({ kind: 'usage', code: 'E_EXPORT_FORMAT', ...details });
}

function noBfloat16(): TristageError {
  return formatError({
    message: 'TensorFlow.js knows no bfloat16',
    found: 'bfloat16',
    expected: 'float32, or float16 for half of the size',
    fix: 'leave the type out: weights that were trained in bfloat16 are widened without loss',
  });
}

function tooLarge(name: string, value: number): TristageError {
  return formatError({
    message: 'a weight is too large for half precision',
    where: name,
    found: String(value),
    expected: 'at most 65504',
    fix: 'export in float32',
  });
}

function usage({ config, outside, settings }: Pick<ReadContext, 'config' | 'outside' | 'settings'>): string {
  const groups = groupNames(config, outside).map(([name]) => `\`${name}\``);
  const half = settings['dtype'] === 'F16' ? ' They lie in half precision and are float32 once loaded.' : '';
  return `Weights in groups ${groups.join(', ')}; a group is fetched when one of its weights is asked for.${half}

\`\`\`js
// tf is the package @tensorflow/tfjs.
const url = 'https://example.com/model'; // where this folder is served
const manifest = await (await fetch(\`\${url}/${TFJS_MANIFEST}\`)).json();
const weights = await tf.io.loadWeights(manifest, url); // name -> tf.Tensor
const [width] = weights['llama_proj.bias'].shape; // ${config.llm.width}
\`\`\`

In Node, \`tf.io.weightsLoaderFactory\` takes a function that reads the files instead of fetching them. \`${GRAPH.text}\` says in words and
shapes what to compute with them; \`${GRAPH.json}\` says the same for a program.`;
}
