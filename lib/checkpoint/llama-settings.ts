/** What a published LLaMA says of itself: `config.json` beside its weights, or the metadata of its GGUF file. */

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import { fileError } from '../formats/file-bytes.ts';
import type { LlamaConfig, RopeScaling } from '../model/config.ts';
import { ggufSettings } from './gguf-settings.ts';
import { mainFile } from './weights-file.ts';

/** Settings of a published model and where they stand. */
export interface PublishedLlama {
  /** The file that says so. */
  source: string;
  settings: LlamaConfig;
}

type Json = Readonly<Record<string, unknown>>;

function settingsError(path: string, found: string, expected: string): TristageError {
  return fileError(path, {
    code: 'E_LLAMA_CONFIG',
    message: 'the settings of the language model cannot be used',
    found: found.slice(0, 200),
    expected,
    fix: 'use a LLaMA, or a model whose maths is that of LLaMA with these settings',
  });
}

/**
 * Settings of the language model in a file or folder of weights.
 * @returns undefined for weights without settings: no config.json beside them, and no GGUF
 * @throws TristageError E_LLAMA_CONFIG when they ask for maths that is not supported, E_GGUF_MODEL, and the errors of the reader
 */
export async function publishedLlama(path: string): Promise<PublishedLlama | undefined> {
  const folder = await isFolder(path);
  const file = folder ? await mainFile(path) : path;
  const gguf = await ggufSettings(file);
  if (gguf !== undefined) return { source: file, settings: gguf };
  const source = join(dirname(file), 'config.json');
  const text = await readFile(source, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const raw = JSON.parse(text) as Json | null;
    // What lies beside a single file may belong to something else
    if (!folder && raw?.['model_type'] !== 'llama') return undefined;
    return { source, settings: parseLlamaSettings(source, raw) };
  } catch (error) {
    if (error instanceof SyntaxError) throw settingsError(source, error.message, 'a JSON file');
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** Settings that would change the maths in ways that are not computed here, with the values that do not. */
const HARMLESS: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ['silu'],
  attention_bias: [false],
  mlp_bias: [false],
  sliding_window: [null],
};

/**
 * The settings of a Hugging Face `config.json`, with the defaults of its LlamaConfig.
 * @param path for messages
 * @throws TristageError E_LLAMA_CONFIG
 */
export function parseLlamaSettings(path: string, raw: unknown): LlamaConfig {
  const config = (typeof raw === 'object' && raw !== null ? raw : {}) as Json;
  const wrong = (key: string, expected: string) =>
    settingsError(path, `${key}: ${JSON.stringify(config[key])}`, expected);
  if (config['model_type'] !== 'llama') throw wrong('model_type', 'llama');
  for (const [key, values] of Object.entries(HARMLESS)) {
    if (config[key] !== undefined && !values.includes(config[key])) throw wrong(key, JSON.stringify(values[0]));
  }
  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value !== 'number' || !(value > 0)) throw wrong(key, 'a number above 0');
    return value;
  };
  const [width, heads] = [number('hidden_size'), number('num_attention_heads')];
  if (number('head_dim', width / heads) !== width / heads) throw wrong('head_dim', `${width / heads}, width / heads`);
  const tied = config['tie_word_embeddings'] ?? false;
  if (typeof tied !== 'boolean') throw wrong('tie_word_embeddings', 'true or false');
  const { base, scaling } = rope(path, config);
  return {
    vocabulary: number('vocab_size'),
    width,
    mlpHidden: number('intermediate_size'),
    layers: number('num_hidden_layers'),
    heads,
    kvHeads: number('num_key_value_heads', heads),
    rmsEps: number('rms_norm_eps', 1e-6),
    ropeBase: base,
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
    tieEmbeddings: tied,
  };
}

/** transformers before version 5 has `rope_theta` and `rope_scaling`, later ones `rope_parameters` with both. */
function rope(path: string, config: Json): { base: number; scaling: RopeScaling | undefined } {
  const raw = config['rope_parameters'] ?? config['rope_scaling'] ?? {};
  const wrong = (expected: string) => settingsError(path, `rope: ${JSON.stringify(raw)}`, expected);
  if (typeof raw !== 'object') throw wrong('an object');
  const settings = raw as Json;
  const base = settings['rope_theta'] ?? config['rope_theta'] ?? 10000;
  if (typeof base !== 'number' || !(base > 0)) throw wrong('a base above 0');
  const number = (key: string): number => {
    const value = settings[key];
    if (typeof value !== 'number' || !(value > 0)) throw wrong(`${key} above 0`);
    return value;
  };
  const type = settings['rope_type'] ?? settings['type'] ?? 'default';
  if (type === 'default') return { base, scaling: undefined };
  if (type === 'linear') return { base, scaling: { type, factor: number('factor') } };
  if (type !== 'llama3') throw wrong('rope type default, linear or llama3');
  const scaling: RopeScaling = {
    type,
    factor: number('factor'),
    lowFrequencyFactor: number('low_freq_factor'),
    highFrequencyFactor: number('high_freq_factor'),
    originalPositions: number('original_max_position_embeddings'),
  };
  return { base, scaling };
}

/**
 * Refuses a run whose language model is another one than the published weights are.
 * @param own settings of the run
 * @throws TristageError E_LLAMA_MISMATCH naming each setting with both values
 */
export function checkLlamaSettings(own: LlamaConfig, { source, settings }: PublishedLlama): void {
  const [ours, theirs] = [comparable(own), comparable(settings)];
  const different = [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => ours.get(key) !== theirs.get(key));
  if (different.length === 0) return;
  const listed = (values: ReadonlyMap<string, string>) =>
    different.map((key) => `${key}: ${values.get(key) ?? 'none'}`).join('; ');
  throw fileError(source, {
    code: 'E_LLAMA_MISMATCH',
    message: 'the language model of the run is not the one of its weights',
    found: `model.llm ${listed(ours)}`,
    expected: `${listed(theirs)}, as ${source} says`,
    fix: 'give model.llm the settings of the weights, or use other weights',
  });
}

/** Settings as texts; fractions as float32, which is how GGUF keeps them. */
function comparable({ ropeScaling, ...sizes }: LlamaConfig): Map<string, string> {
  const scaling = Object.entries(ropeScaling ?? {}).map(([key, value]) => [`ropeScaling.${key}`, value] as const);
  const all = [...Object.entries(sizes), ...scaling];
  return new Map(all.map(([key, value]) => [key, typeof value === 'number' ? shown(value) : String(value)]));
}

function shown(value: number): string {
  return String(Number(Math.fround(value).toPrecision(7)));
}
