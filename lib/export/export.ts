/** Writes a model in a format, reads it back, compares, and only then publishes the folder. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishDirAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { isIdentified, TASKS, taskIdentifier } from '../data/task.ts';
import { buildPrompt, IMAGE_PLACEHOLDER } from '../data/template.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { type ModelConfig, tokensPerImage } from '../model/config.ts';
import { disposeMiniGpt, loadMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import { modelShapes } from '../model/shapes.ts';
import { pixelNorm } from '../model/vision/normalise.ts';
import type { ExportFormat, ExportSubject, ReadContext } from './format.ts';
import {
  describeFiles,
  EXPORT_FILES,
  type ExportFacts,
  type ExportManifest,
  manifestText,
  type PromptFacts,
} from './manifest.ts';
import {
  compareAnswers,
  type ParityFigure,
  parityAnswers,
  parityInputs,
  withinTolerance,
  writeParity,
} from './parity.ts';
import { readmeText } from './readme.ts';
import type { ExportOptions } from './request.ts';

const UNPUBLISHED = 'nothing was published; please report this with the config of the run';

export interface ExportRequest {
  format: ExportFormat;
  options: ExportOptions;
  subject: ExportSubject;
  /** The trained model, of which `subject.weights` are the weights. It is taken over and freed. */
  model: MiniGpt;
  facts: ExportFacts;
  /** What computes, for the manifest. */
  engine: string;
  /** Final folder; one that exists is replaced. */
  out: string;
}

/**
 * Exports a model. Nothing is left at `out` when anything fails; what was there before stays.
 * @returns the manifest of the published folder
 * @throws TristageError E_EXPORT_PARITY when the model that was read back answers otherwise, E_EXPORT_OPTION for an option that the
 *   format does not take, and the errors of the format
 */
export async function exportModel(request: ExportRequest): Promise<ExportManifest> {
  const { format, options, model, out } = request;
  try {
    checkOptions(format, options);
    let manifest: ExportManifest | undefined;
    await publishDirAtomic(out, async (folder) => {
      manifest = await fill(folder, request);
    });
    return manifest as ExportManifest;
  } finally {
    disposeMiniGpt(model);
  }
}

function checkOptions({ name, takes }: ExportFormat, options: ExportOptions): void {
  const set = (Object.keys(options) as (keyof ExportOptions)[]).filter((key) => options[key] !== undefined);
  const stranger = set.find((key) => !takes.includes(key));
  if (stranger === undefined) return;
  throw new TristageError({
    kind: 'usage',
    code: 'E_EXPORT_OPTION',
    message: `the format ${name} does not take this option`,
    found: `${stranger}: ${options[stranger]}`,
    expected: takes.length === 0 ? 'no option' : takes.join(', '),
    fix: 'leave the option out, or choose another --format',
  });
}

async function fill(folder: string, request: ExportRequest): Promise<ExportManifest> {
  const { format, options, subject, model, engine } = request;
  const { config, vocabulary, outside } = subject;
  const inputs = parityInputs(config, vocabulary.tokenizer);
  const answers = await parityAnswers(model, inputs);
  const { tolerance, settings } = await format.write(subject, folder, options);
  disposeMiniGpt(model);
  const figure = compareAnswers(
    answers,
    await reloadedAnswers(folder, { format, context: { config, settings, outside }, inputs }),
  );
  if (!withinTolerance(figure, tolerance))
    throw parityError({ format: format.name, figure, tolerance, fix: UNPUBLISHED });
  await writeParity(join(folder, EXPORT_FILES.parity), { inputs, answers, config });
  const parity = { ...figure, tolerance, engine };
  const manifest: ExportManifest = { ...manifestHead(request), settings: { ...settings }, parity, files: {} };
  await writeFile(join(folder, EXPORT_FILES.readme), readmeText(manifest, format));
  manifest.files = await describeFiles(folder, format);
  await writeFile(join(folder, EXPORT_FILES.manifest), manifestText(manifest));
  return manifest;
}

/** Answers of the model that lies in a folder. */
export async function reloadedAnswers(
  folder: string,
  request: { format: ExportFormat; context: ReadContext; inputs: Parameters<typeof parityAnswers>[1] },
): ReturnType<typeof parityAnswers> {
  const model = await reloadedModel(folder, request);
  try {
    return await parityAnswers(model, request.inputs);
  } finally {
    disposeMiniGpt(model);
  }
}

/**
 * The model that lies in a folder, on the engine that is open; the caller frees it.
 * @throws TristageError E_WEIGHT_MISSING, and the errors of reading the format
 */
export async function reloadedModel(
  folder: string,
  request: { format: ExportFormat; context: ReadContext },
): Promise<MiniGpt> {
  const held = await request.format.open(folder, request.context);
  try {
    // Every weight must come from the folder: one that started at random would be no weight of this model.
    const missing = [...modelShapes(held.config).keys()].filter((name) => !held.names.has(name));
    if (missing.length > 0) throw missingError(folder, missing);
    return await loadMiniGpt({ config: held.config, source: held.read, trainable: () => false, seed: 0 });
  } finally {
    await held.close();
  }
}

function missingError(folder: string, names: readonly string[]): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_MISSING',
    message: 'the export lacks weights of its model',
    where: folder,
    found: `${names.length} missing, such as ${names.slice(0, 3).join(', ')}`,
    expected: 'every weight of the model, in the folder or in the published files that it names',
    fix: 'export the run again',
  });
}

/** The error of an export that answers otherwise than the trained model. */
export function parityError(at: {
  format: string;
  figure: ParityFigure;
  tolerance: number;
  fix: string;
}): TristageError {
  const { format, figure, tolerance, fix } = at;
  return new TristageError({
    kind: 'gate',
    code: 'E_EXPORT_PARITY',
    message: `the model read back from the ${format} export answers otherwise than the trained one`,
    found: `logits that differ by up to ${figure.maxAbsLogitDiff}`,
    expected: `at most ${tolerance * Math.max(1, figure.maxAbsLogit)}`,
    fix,
  });
}

/** The two messages of a model of this trainer, as {@link PromptFacts} has them. */
export function promptTemplates(): Pick<PromptFacts, 'image' | 'text'> {
  const message = (images: number): string =>
    buildPrompt({ question: '{text}', images }).replace(IMAGE_PLACEHOLDER, '{image}');
  return { image: message(1), text: message(0) };
}

/** How a model of this trainer is spoken to. */
function promptFacts(config: ModelConfig, { piece, bosId, eosId }: Tokenizer): PromptFacts {
  return {
    ...promptTemplates(),
    pieceByPiece: true,
    begin: piece(bosId),
    end: piece(eosId),
    imageTokens: tokensPerImage(config),
  };
}

function manifestHead({ format, subject, facts }: ExportRequest) {
  const { config, vocabulary, outside } = subject;
  const { transform, ...run } = facts;
  const { kept, tokenizer, file } = vocabulary;
  return {
    manifest: 1 as const,
    format: format.name,
    ...run,
    model: { ...config, lora: config.lora && { ...config.lora, targets: [...config.lora.targets] } },
    outside: outside.map(({ files, ...part }) => ({ ...part, files: [...files] })),
    prompt: promptFacts(config, tokenizer),
    tasks: Object.fromEntries(TASKS.filter(isIdentified).map((task) => [task, taskIdentifier(task)])),
    image: { transform, size: config.vision.imageSize, scale: 1 / 255, ...pixelNorm(config.vision) },
    tokenizer: {
      kind: file?.kind ?? ('llama-2' as const),
      ...(file === undefined ? {} : { sha256: file.sha256 }),
      rows: config.llm.vocabulary,
      pruned: kept !== undefined,
      ...(kept === undefined ? {} : { kept: [...kept] }),
      bosId: tokenizer.bosId,
      eosId: tokenizer.eosId,
      unkId: tokenizer.unkId,
    },
  };
}
