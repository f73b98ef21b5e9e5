/**
 * Random start values, a pure function of (seed, name, shape): equal on every engine, whatever else is created and in which order.
 * The rules are those of the reference's modules: torch's Linear and Conv2d defaults, PEFT's LoRA, LLaMA's `initializer_range`,
 * and EVA's normal(0.02) with the projections of deeper blocks made smaller.
 */
import { keyOfText, mix32, type RandomStream, randomStream } from '../core/rng.ts';
import { LLAMA_PREFIX, PROJECTOR_PREFIX, type ShapeTable, VISION_PREFIX, valuesIn } from './shapes.ts';

/** Keeps streams of start values apart from the other uses of the run's seed. */
const PURPOSE = keyOfText('start values');

const TWO_32 = 2 ** 32;

type Rule =
  | { kind: 'constant'; value: number }
  | { kind: 'uniform'; bound: number }
  | { kind: 'normal'; deviation: number };

/**
 * @param request seed of the run, in-memory name of the weight, and the table that knows its shape
 * @returns the start values, row-major float32
 */
export function initialValues(request: { seed: number; name: string; shapes: ShapeTable }): Float32Array {
  const { seed, name, shapes } = request;
  const values = new Float32Array(valuesIn(shapes.get(name) ?? []));
  const rule = ruleFor(name, shapes);
  if (rule.kind === 'constant') return values.fill(rule.value);
  fill(values, rule, randomStream(PURPOSE, seed, keyOfText(name)));
  return values;
}

/** Bound 1 / sqrt(inputs) of torch's Linear and Conv2d; a bias takes the inputs of the weight beside it. */
function uniformByInputs(name: string, shapes: ShapeTable): Rule {
  const weight = shapes.get(name.replace(/bias$/, 'weight')) ?? [];
  return { kind: 'uniform', bound: 1 / Math.sqrt(valuesIn(weight.slice(1))) };
}

/** Two rounds of mixing with four keys of the stream: a hundred million values in seconds, where the general stream takes minutes. */
function fill(values: Float32Array, rule: Exclude<Rule, { kind: 'constant' }>, stream: RandomStream): void {
  const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((key) => stream.uint32(key));
  const first = (i: number) => (mix32(mix32(i + a) ^ b) + 0.5) / TWO_32;
  if (rule.kind === 'uniform') {
    for (let i = 0; i < values.length; i++) values[i] = (2 * first(i) - 1) * rule.bound;
    return;
  }
  // Box and Muller: two uniform numbers give two normal ones
  for (let i = 0; i < values.length; i += 2) {
    const radius = rule.deviation * Math.sqrt(-2 * Math.log(first(i)));
    const angle = (2 * Math.PI * mix32(mix32(i + c) ^ d)) / TWO_32;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
}

function ruleFor(name: string, shapes: ShapeTable): Rule {
  if (name.endsWith('.lora_B.weight')) return { kind: 'constant', value: 0 };
  // kaiming_uniform with a = sqrt(5) is uniform with bound 1 / sqrt(inputs)
  if (name.endsWith('.lora_A.weight') || name.startsWith(PROJECTOR_PREFIX)) return uniformByInputs(name, shapes);
  if (name.startsWith(LLAMA_PREFIX)) {
    return name.endsWith('norm.weight') ? { kind: 'constant', value: 1 } : { kind: 'normal', deviation: 0.02 };
  }
  if (name.startsWith(VISION_PREFIX)) return visionRule(name, shapes);
  return { kind: 'constant', value: name.endsWith('.weight') ? 1 : 0 };
}

function visionRule(name: string, shapes: ShapeTable): Rule {
  if (name.includes('.patch_embed.')) return uniformByInputs(name, shapes);
  if (name.endsWith('bias')) return { kind: 'constant', value: 0 };
  // DINOv2's start value
  if (name.endsWith('.gamma')) return { kind: 'constant', value: 1e-5 };
  if (/\.norm[12]\.weight$/.test(name)) return { kind: 'constant', value: 1 };
  const layer = /\.blocks\.(\d+)\.(?:attn\.proj|mlp\.fc2)\.weight$/.exec(name)?.[1];
  return { kind: 'normal', deviation: layer === undefined ? 0.02 : 0.02 / Math.sqrt(2 * (Number(layer) + 1)) };
}
