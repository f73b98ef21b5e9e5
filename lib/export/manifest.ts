/** manifest.json: what an export holds, by shape and hash, and how the model in it is spoken to. */

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { openWeights } from '../checkpoint/weights-file.ts';
import { sha256, sha256File } from '../core/hash.ts';
import { fileError } from '../formats/file-bytes.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ExportFormat, TensorRecord } from './format.ts';

/** Names of the files that every export has. */
export const EXPORT_FILES = { manifest: 'manifest.json', readme: 'README.md', parity: 'parity.safetensors' } as const;

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const tensorRecord = z.object({ dtype: z.string(), shape: z.array(count), sha256: hash });

const fileRecord = z.object({ sha256: hash, bytes: count, tensors: z.record(z.string(), tensorRecord).optional() });
export type FileRecord = z.infer<typeof fileRecord>;

const vision = z.object({
  imageSize: count,
  patch: count,
  width: count,
  depth: count,
  heads: count,
  mlpHidden: count,
  eps: z.number(),
  lnEps: z.number(),
  qkvBias: z.boolean().optional(),
  layerScale: z.boolean().optional(),
  finalNorm: z.boolean().optional(),
  pixels: z.enum(['clip', 'imagenet']).optional(),
});
const ropeScaling = z.discriminatedUnion('type', [
  z.object({ type: z.literal('linear'), factor: z.number() }),
  z.object({
    type: z.literal('llama3'),
    factor: z.number(),
    lowFrequencyFactor: z.number(),
    highFrequencyFactor: z.number(),
    originalPositions: z.number(),
  }),
]);
const llm = z.object({
  vocabulary: count,
  width: count,
  mlpHidden: count,
  layers: count,
  heads: count,
  kvHeads: count,
  rmsEps: z.number(),
  ropeBase: z.number(),
  ropeScaling: ropeScaling.optional(),
  tieEmbeddings: z.boolean(),
});
const lora = z.object({
  rank: count,
  alpha: z.number(),
  dropout: z.number(),
  targets: z.array(z.enum(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'])),
  rslora: z.boolean().optional(),
});

const outside = z.object({
  part: z.enum(['vision', 'llm']),
  path: z.string(),
  files: z.array(z.object({ name: z.string(), sha256: hash, bytes: count })),
});

/** One stage behind a model, the last one first. */
const ancestor = z.object({
  /** Name of the run. */
  name: z.string(),
  stage: z.string(),
  step: count,
  /** SHA-256 of the checkpoint's model.safetensors. */
  model: hash,
  /** Names of the sources of its mixture. */
  sources: z.array(z.string()),
});

const prompt = z.object({
  /** A message with an image, and one without. `{image}` stands for the image's tokens, `{text}` for what is asked. */
  image: z.string(),
  text: z.string(),
  /** Each text between images is tokenised apart, so a space mark stands before each. */
  pieceByPiece: z.literal(true),
  begin: z.string(),
  end: z.string(),
  /** Language tokens that one image takes. */
  imageTokens: count,
});

/** How a model is spoken to. */
export type PromptFacts = z.infer<typeof prompt>;

const tokenizer = z.object({
  /** `llama-2`: LLaMA's own; else the kind of files that the folder holds. */
  kind: z.enum(['llama-2', 'sentencepiece', 'fast']),
  /** Hash of those files, as checkpoints name it. */
  sha256: hash.optional(),
  /** Rows of the embedding. */
  rows: count,
  /** Whether ids were numbered anew over kept pieces; tokenizer.json gives other pieces ids from `rows` on. */
  pruned: z.boolean(),
  /** Ids of the LLaMA tokenizer that were kept. */
  kept: z.array(count).optional(),
  bosId: count,
  eosId: count,
  unkId: count,
});

const parity = z.object({
  maxAbsLogitDiff: z.number().min(0),
  /** Largest accepted difference as a share of the largest logit, which counts as at least 1. */
  tolerance: z.number().positive(),
  maxAbsLogit: z.number().min(0),
  /** Logits compared: places times rows of the head. */
  places: count,
  engine: z.string(),
});

const manifestSchema = z.object({
  manifest: z.literal(1),
  format: z.string(),
  tristage: z.string(),
  name: z.string(),
  stage: z.string(),
  step: count,
  model: z.object({ vision, join: count, llm, lora: lora.optional() }),
  settings: z.record(z.string(), z.unknown()),
  outside: z.array(outside),
  prompt,
  tasks: z.record(z.string(), z.string()),
  image: z.object({
    transform: z.string(),
    size: count,
    scale: z.number(),
    mean: z.array(z.number()).length(3),
    std: z.array(z.number()).length(3),
  }),
  tokenizer,
  parity,
  lineage: z.array(ancestor),
  files: z.record(z.string(), fileRecord),
});

export type ExportManifest = z.infer<typeof manifestSchema>;
/** What the manifest says about the run that a model comes from. */
export type ExportFacts = Pick<ExportManifest, 'name' | 'stage' | 'step' | 'tristage' | 'lineage'> & {
  /** The transform of images that the model was trained on. */
  transform: string;
};

/** Whether a folder is meant as an export. A checkpoint has a manifest of its own kind, and a state beside it. */
export function isExport(folder: string): boolean {
  return existsSync(join(folder, EXPORT_FILES.manifest)) && !existsSync(join(folder, 'state.json'));
}

/**
 * Reads the manifest of an export.
 * @throws TristageError E_EXPORT_MANIFEST when the folder has none or it says something else than a manifest does
 */
export async function readManifest(folder: string): Promise<ExportManifest> {
  const path = join(folder, EXPORT_FILES.manifest);
  const wrong = (found: string) =>
    fileError(path, {
      code: 'E_EXPORT_MANIFEST',
      message: 'the folder is no export, or its manifest is damaged',
      found: found.slice(0, 300),
      expected: 'the manifest.json that tristage export writes',
      fix: 'give the folder of an export, or export the run again',
    });
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const parsed = manifestSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw wrong(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a manifest'}`);
}

/** Sizes of the model that was exported. */
export function exportedConfig({ model: { lora: adapters, ...sizes } }: Pick<ExportManifest, 'model'>): ModelConfig {
  if (adapters === undefined) return sizes;
  const { rslora, ...rest } = adapters;
  return { ...sizes, lora: { ...rest, ...(rslora === undefined ? {} : { rslora }) } };
}

/** The text of a manifest: lists of numbers on one line, for they are long. */
export function manifestText(manifest: ExportManifest): string {
  const text = JSON.stringify(manifest, null, 2);
  return `${text.replace(/\[\s+(-?\d[^"{}[\]]*?)\s+\]/g, (_, items: string) => `[${items.replace(/,\s+/g, ', ')}]`)}\n`;
}

/** Every file below a folder by its path from there, with `/`, sorted; the manifest itself left out. */
export async function exportedFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((name) => name !== EXPORT_FILES.manifest)
    .sort();
}

/**
 * Hashes every file of an export, and every tensor in its files of weights.
 * @returns the manifest's `files`
 */
export async function describeFiles(
  folder: string,
  format: Pick<ExportFormat, 'describe'>,
): Promise<Record<string, FileRecord>> {
  const tensors = await describeTensors(folder, format);
  const files: Record<string, FileRecord> = {};
  for (const name of await exportedFiles(folder)) {
    const { hash: sum, bytes } = await sha256File(join(folder, name));
    const held = tensors.get(name);
    files[name] = { sha256: sum, bytes, ...(held === undefined ? {} : { tensors: { ...held } }) };
  }
  return files;
}

/** The tensors of every file of weights. */
export async function describeTensors(
  folder: string,
  format: Pick<ExportFormat, 'describe'>,
): Promise<Map<string, Readonly<Record<string, TensorRecord>>>> {
  const described = new Map(Object.entries((await format.describe?.(folder)) ?? {}));
  for (const name of await exportedFiles(folder)) {
    const isWeights = name.endsWith('.safetensors') || name.endsWith('.pth');
    if (isWeights) described.set(name, await describeWeights(join(folder, name)));
  }
  return described;
}

async function describeWeights(path: string): Promise<Record<string, TensorRecord>> {
  const file = await openWeights(path);
  try {
    const tensors: Record<string, TensorRecord> = {};
    for (const [name, { dtype, shape }] of file.entries) {
      tensors[name] = { dtype, shape: [...shape], sha256: sha256((await file.read(name)).bytes) };
    }
    return tensors;
  } finally {
    await file.close();
  }
}
