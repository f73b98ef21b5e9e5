/** The settings file of a PEFT adapter folder. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../formats/file-bytes.ts';

/** What decides the maths of an adapter. */
export interface PeftConfig {
  rank: number;
  alpha: number;
  dropout: number;
  /** Names of the adapted linear maps, such as `q_proj`. */
  targets: string[];
  /** Scale by alpha / sqrt(rank) instead of alpha / rank. */
  rslora: boolean;
  /** The base model that the adapter was trained on; empty when unknown. */
  base: string;
}

/** Settings that change the maths in ways that are not computed here, with their harmless values. */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  bias: ['none'],
  fan_in_fan_out: [false],
  use_dora: [false],
  lora_bias: [false],
  modules_to_save: [null],
  layers_to_transform: [null],
  layer_replication: [null],
  target_parameters: [null],
  trainable_token_indices: [null],
  rank_pattern: [null],
  alpha_pattern: [null],
};

/**
 * Reads `adapter_config.json` of a folder. Settings of newer PEFT versions that do not change the maths are tolerated.
 * @throws TristageError E_PEFT_CONFIG when the file is absent, not valid, not LoRA, or asks for maths that is not supported
 */
export async function readPeftConfig(folder: string): Promise<PeftConfig> {
  const path = join(folder, 'adapter_config.json');
  const wrong = (found: string, expected: string) =>
    fileError(path, {
      code: 'E_PEFT_CONFIG',
      message: 'the settings of the adapter cannot be used',
      found: found.slice(0, 200),
      expected,
      fix: 'use a plain LoRA adapter as PEFT saves it',
    });
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw wrong((error as Error).message, 'a JSON file');
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw wrong(JSON.stringify(raw), 'an object');
  const config = raw as Readonly<Record<string, unknown>>;
  const fail = (key: string, expected: string) => wrong(`${key}: ${JSON.stringify(config[key])}`, expected);
  if (config['peft_type'] !== 'LORA') throw fail('peft_type', 'LORA');
  const {
    r,
    lora_alpha: alpha,
    lora_dropout: dropout = 0,
    target_modules: targets,
    use_rslora: rslora = false,
  } = config;
  if (typeof r !== 'number' || !Number.isSafeInteger(r) || r < 1) throw fail('r', 'a whole number from 1');
  if (typeof alpha !== 'number' || !(alpha > 0)) throw fail('lora_alpha', 'a number above 0');
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) throw fail('lora_dropout', 'from 0 to below 1');
  if (typeof rslora !== 'boolean') throw fail('use_rslora', 'true or false');
  if (!isNameList(targets)) throw fail('target_modules', 'a list of module names such as q_proj');
  for (const [key, harmless] of Object.entries(UNSUPPORTED)) {
    const value = config[key];
    if (value !== undefined && !harmless.includes(value) && !isEmpty(value))
      throw fail(key, JSON.stringify(harmless[0]));
  }
  const base = config['base_model_name_or_path'];
  return { rank: r, alpha, dropout, targets: [...targets], rslora, base: typeof base === 'string' ? base : '' };
}

function isNameList(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && /^\w+$/.test(item))
  );
}

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}
