/** The samples of `tristage bench step`: questions about images as the quickstart's mixture draws them, equal on every machine. */
import { join } from 'node:path';
import { packageRoot } from '../../../core/paths.ts';
import { randomStream } from '../../../core/rng.ts';
import { encodeSample } from '../../../data/encode.ts';
import type { Example } from '../../../data/sample.ts';
import type { OpenSource } from '../../../data/source.ts';
import { llama2Tokenizer } from '../../../data/tokenizer.ts';
import { type Registry, resolveAll } from '../../config.ts';
import { openSourceLine, partLine } from '../../open-source.ts';

/** The mixture whose answers and questions give the lengths: exact labels only, every task with boxes, one source. */
const MIXTURE = 'configs/quickstart/stage2.yaml';
const SEED = 8;

export interface SampleRequest {
  registry: Registry;
  images: number;
  /** Questions about each image; they are drawn from those that the mixture asks about it. */
  questions: number;
  /** Visual tokens of an image. */
  imageTokens: number;
}

/**
 * Examples image by image, encoded with the tokenizer of the mixture (LLaMA's); those about one image carry one image object.
 * @throws TristageError of kind `config` when the mixture does not validate
 */
export async function mixtureSamples({ registry, images, questions, imageTokens }: SampleRequest): Promise<Example[]> {
  const [run] = resolveAll([join(packageRoot(), MIXTURE)], { registry });
  const { line } = partLine(run!.config.data.mixture.sources[0]!);
  const source = await openSourceLine(line, { registry });
  const tokenizer = await llama2Tokenizer();
  const examples: Example[] = [];
  for (let image = 0; image < images; image++) {
    for (const index of chosen(source, image, questions)) {
      const random = randomStream(SEED, index);
      let draws = 0;
      const sample = await source.get(index, (bound) => random.integer(draws++, bound));
      examples.push(encodeSample(sample, { tokenizer, imageTokens }));
    }
  }
  return examples;
}

/** Some of the samples about one image, without a repetition, in their order. */
function chosen({ samplesPerImage = 1 }: OpenSource, image: number, questions: number): number[] {
  const random = randomStream(SEED, image);
  const left = Array.from({ length: samplesPerImage }, (_, place) => image * samplesPerImage + place);
  const taken = Array.from({ length: Math.min(questions, samplesPerImage) }, (_, draw) => {
    return left.splice(random.integer(draw, left.length), 1)[0] as number;
  });
  return taken.sort((a, b) => a - b);
}
