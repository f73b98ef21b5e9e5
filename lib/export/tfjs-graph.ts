/**
 * The model as a list of steps over named tensors: enough to compute it with any library of tensors, and nothing of ours needed.
 * A test runs it with plain TensorFlow.js operations and compares the logits.
 */

import {
  gridSide,
  headWidth,
  LORA_TARGETS,
  type LoraTarget,
  loraScaling,
  type ModelConfig,
  tokensPerImage,
} from '../model/config.ts';
import { ropeFrequencies } from '../model/llama/rope.ts';
import { LLAMA_PREFIX, LN_VISION_PREFIX, PROJECTOR_PREFIX, VISION_PREFIX } from '../model/shapes.ts';
import { GRAPH_OPS, type GraphBlock, type GraphSize, type GraphStep, type ModelGraph } from './tfjs-graph-steps.ts';

/** The graph of a model, adapters as steps of their own. B rows of T tokens, N images. */
export function modelGraph(config: ModelConfig): ModelGraph {
  const { vision, llm } = config;
  const images = tokensPerImage(config);
  return {
    graph: 1,
    inputs: [
      {
        name: 'pixels',
        dtype: 'float32',
        shape: ['N', 3, vision.imageSize, vision.imageSize],
        says: 'red, green, blue; (value / 255 - mean) / deviation with the figures under `image` in manifest.json',
      },
      {
        name: 'token_ids',
        dtype: 'int32',
        shape: ['B', 'T'],
        says: 'any id of the vocabulary where an image token stands',
      },
      {
        name: 'sources',
        dtype: 'int32',
        shape: ['B', 'T'],
        says: `row that each place takes its embedding from: its own number b * T + t, or, where an image token stands, B * T + n * ${images} + p for token p of image n`,
      },
      { name: 'positions', dtype: 'int32', shape: ['B', 'T'], says: '0, 1, 2, ... in each row' },
    ],
    outputs: [
      { name: 'image_embeds', dtype: 'float32', shape: ['N', images, llm.width], says: 'images in the space of words' },
      { name: 'logits', dtype: 'float32', shape: ['B', 'T', llm.vocabulary], says: 'of the token after each place' },
    ],
    blocks: [...visionBlocks(config), ...languageBlocks(config)],
    ops: GRAPH_OPS,
  };
}

type Affine = { weight: string; bias: string };

function affine(path: string): Affine {
  return { weight: `${path}weight`, bias: `${path}bias` };
}

function visionBlocks(config: ModelConfig): GraphBlock[] {
  const { vision, join, llm } = config;
  const side = gridSide(vision);
  const patches = side ** 2;
  const D = vision.width;
  const all: GraphSize[] = ['N', 1 + patches, D];
  const start: GraphStep[] = [
    {
      op: 'conv2d',
      in: ['pixels'],
      out: ['x'],
      shape: ['N', D, side, side],
      weights: affine(`${VISION_PREFIX}patch_embed.proj.`),
      with: { stride: vision.patch },
    },
    { op: 'reshape', in: ['x'], out: ['x'], shape: ['N', D, patches], with: { shape: [-1, D, patches] } },
    { op: 'transpose', in: ['x'], out: ['x'], shape: ['N', patches, D], with: { axes: [0, 2, 1] } },
    { op: 'repeat', in: [], out: ['cls'], shape: ['N', 1, D], weights: { weight: `${VISION_PREFIX}cls_token` } },
    { op: 'concat', in: ['cls', 'x'], out: ['x'], shape: all, with: { axis: 1 } },
    { op: 'add', in: ['x'], out: ['x'], shape: all, weights: { weight: `${VISION_PREFIX}pos_embed` } },
  ];
  const joined: GraphSize[] = ['N', patches / join, join * D];
  const end: GraphStep[] = [
    {
      op: 'layer_norm',
      in: ['x'],
      out: ['x'],
      shape: all,
      weights: affine(LN_VISION_PREFIX),
      with: { eps: vision.lnEps },
    },
    { op: 'slice', in: ['x'], out: ['x'], shape: ['N', patches, D], with: { begin: [0, 1, 0] } },
    { op: 'reshape', in: ['x'], out: ['x'], shape: joined, with: { shape: [-1, patches / join, join * D] } },
    {
      op: 'linear',
      in: ['x'],
      out: ['image_embeds'],
      shape: ['N', patches / join, llm.width],
      weights: affine(PROJECTOR_PREFIX),
    },
  ];
  return [
    { times: 1, title: 'An image becomes patches', steps: start },
    { times: vision.depth, title: 'Vision transformer, block {i}', steps: visionBlock(config) },
    { times: 1, title: 'Neighbours are joined and mapped to the width of words', steps: end },
  ];
}

function visionBlock({ vision }: ModelConfig): GraphStep[] {
  const { width: D, heads, eps, mlpHidden } = vision;
  const path = `${VISION_PREFIX}blocks.{i}.`;
  const L = 1 + gridSide(vision) ** 2;
  const all: GraphSize[] = ['N', L, D];
  const width = headWidth(vision);
  const perHead: GraphSize[] = ['N', heads, L, width];
  const split = (name: string): GraphStep => ({
    op: 'split_heads',
    in: [name],
    out: [name],
    shape: perHead,
    with: { width },
  });
  const biased = (name: 'q' | 'v'): GraphStep => ({
    op: 'add',
    in: [name],
    out: [name],
    shape: all,
    weights: { weight: `${path}attn.${name}_bias` },
  });
  const scaled = (name: string, weight: 'ls1' | 'ls2'): GraphStep[] =>
    vision.layerScale === true
      ? [{ op: 'multiply', in: [name], out: [name], shape: all, weights: { weight: `${path}${weight}.gamma` } }]
      : [];
  const qkv = {
    weight: `${path}attn.qkv.weight`,
    ...(vision.qkvBias === true ? { bias: `${path}attn.qkv.bias` } : {}),
  };
  return [
    { op: 'layer_norm', in: ['x'], out: ['n'], shape: all, weights: affine(`${path}norm1.`), with: { eps } },
    { op: 'linear', in: ['n'], out: ['qkv'], shape: ['N', L, 3 * D], weights: qkv },
    { op: 'split', in: ['qkv'], out: ['q', 'k', 'v'], shape: all, with: { axis: 2 } },
    ...(vision.qkvBias === true ? [] : [biased('q'), biased('v')]),
    ...['q', 'k', 'v'].map(split),
    { op: 'attention', in: ['q', 'k', 'v'], out: ['seen'], shape: perHead, with: { causal: false } },
    { op: 'merge_heads', in: ['seen'], out: ['seen'], shape: all },
    { op: 'linear', in: ['seen'], out: ['seen'], shape: all, weights: affine(`${path}attn.proj.`) },
    ...scaled('seen', 'ls1'),
    { op: 'add', in: ['x', 'seen'], out: ['x'], shape: all },
    { op: 'layer_norm', in: ['x'], out: ['n'], shape: all, weights: affine(`${path}norm2.`), with: { eps } },
    { op: 'linear', in: ['n'], out: ['h'], shape: ['N', L, mlpHidden], weights: affine(`${path}mlp.fc1.`) },
    { op: 'gelu', in: ['h'], out: ['h'], shape: ['N', L, mlpHidden] },
    { op: 'linear', in: ['h'], out: ['h'], shape: all, weights: affine(`${path}mlp.fc2.`) },
    ...scaled('h', 'ls2'),
    { op: 'add', in: ['x', 'h'], out: ['x'], shape: all },
  ];
}

function languageBlocks(config: ModelConfig): GraphBlock[] {
  const { width: D, vocabulary, layers, rmsEps, tieEmbeddings } = config.llm;
  const all: GraphSize[] = ['B', 'T', D];
  const words = `${LLAMA_PREFIX}model.embed_tokens.weight`;
  const head = tieEmbeddings ? words : `${LLAMA_PREFIX}lm_head.weight`;
  const start: GraphStep[] = [
    { op: 'gather', in: ['token_ids'], out: ['text'], shape: all, weights: { weight: words } },
    { op: 'place_images', in: ['text', 'image_embeds', 'sources'], out: ['x'], shape: all },
  ];
  const end: GraphStep[] = [
    {
      op: 'rms_norm',
      in: ['x'],
      out: ['x'],
      shape: all,
      weights: { weight: `${LLAMA_PREFIX}model.norm.weight` },
      with: { eps: rmsEps },
    },
    { op: 'linear', in: ['x'], out: ['logits'], shape: ['B', 'T', vocabulary], weights: { weight: head } },
  ];
  return [
    { times: 1, title: 'Words and images become one sequence', steps: start },
    { times: layers, title: 'Language model, block {i}', steps: languageBlock(config) },
    { times: 1, title: 'Logits', steps: end },
  ];
}

const LLAMA_LAYER = `${LLAMA_PREFIX}model.layers.{i}.`;

function languageBlock(config: ModelConfig): GraphStep[] {
  const { width: D, heads, kvHeads, rmsEps, ropeBase, ropeScaling, mlpHidden } = config.llm;
  const all: GraphSize[] = ['B', 'T', D];
  const hidden: GraphSize[] = ['B', 'T', mlpHidden];
  const width = headWidth(config.llm);
  const frequencies = [...ropeFrequencies({ headWidth: width, base: ropeBase, scaling: ropeScaling })];
  const norm = (name: string): GraphStep => ({
    op: 'rms_norm',
    in: ['x'],
    out: ['n'],
    shape: all,
    weights: { weight: `${LLAMA_LAYER}${name}.weight` },
    with: { eps: rmsEps },
  });
  const project = (target: LoraTarget, from: string, to: string): GraphStep[] => adapted(config, { target, from, to });
  const perHead = (name: string, count: number): GraphStep => ({
    op: 'split_heads',
    in: [name],
    out: [name],
    shape: ['B', count, 'T', width],
    with: { width },
  });
  const turned = (name: string, count: number): GraphStep => ({
    op: 'rope',
    in: [name, 'positions'],
    out: [name],
    shape: ['B', count, 'T', width],
    with: ropeScaling === undefined ? { base: ropeBase } : { frequencies },
  });
  return [
    norm('input_layernorm'),
    ...project('q_proj', 'n', 'q'),
    ...project('k_proj', 'n', 'k'),
    ...project('v_proj', 'n', 'v'),
    perHead('q', heads),
    perHead('k', kvHeads),
    perHead('v', kvHeads),
    turned('q', heads),
    turned('k', kvHeads),
    { op: 'attention', in: ['q', 'k', 'v'], out: ['seen'], shape: ['B', heads, 'T', width], with: { causal: true } },
    { op: 'merge_heads', in: ['seen'], out: ['seen'], shape: all },
    ...project('o_proj', 'seen', 'o'),
    { op: 'add', in: ['x', 'o'], out: ['x'], shape: all },
    norm('post_attention_layernorm'),
    ...project('gate_proj', 'n', 'gate'),
    ...project('up_proj', 'n', 'up'),
    { op: 'silu', in: ['gate'], out: ['gate'], shape: hidden },
    { op: 'multiply', in: ['gate', 'up'], out: ['h'], shape: hidden },
    ...project('down_proj', 'h', 'o'),
    { op: 'add', in: ['x', 'o'], out: ['x'], shape: all },
  ];
}

/** A linear map, and its adapter where it has one. */
function adapted({ llm, lora }: ModelConfig, at: { target: LoraTarget; from: string; to: string }): GraphStep[] {
  const { target, from, to } = at;
  const kv = llm.kvHeads * headWidth(llm);
  const widths: Record<LoraTarget, number> = {
    q_proj: llm.width,
    k_proj: kv,
    v_proj: kv,
    o_proj: llm.width,
    gate_proj: llm.mlpHidden,
    up_proj: llm.mlpHidden,
    down_proj: llm.width,
  };
  const path = `${LLAMA_LAYER}${LORA_TARGETS.indexOf(target) < 4 ? 'self_attn' : 'mlp'}.${target}.`;
  const shape: GraphSize[] = ['B', 'T', widths[target]];
  const plain: GraphStep = { op: 'linear', in: [from], out: [to], shape, weights: { weight: `${path}weight` } };
  if (lora === undefined || !lora.targets.includes(target)) return [plain];
  return [
    plain,
    { op: 'linear', in: [from], out: ['a'], shape: ['B', 'T', lora.rank], weights: { weight: `${path}lora_A.weight` } },
    { op: 'linear', in: ['a'], out: ['a'], shape, weights: { weight: `${path}lora_B.weight` } },
    { op: 'multiply', in: ['a'], out: ['a'], shape, with: { by: loraScaling(lora) } },
    { op: 'add', in: [to, 'a'], out: [to], shape },
  ];
}
