/** A small world of stages, sources and presets, and a file that is valid in it. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { faultsOf } from '../../../lib/config/errors.ts';
import { type ResolvedConfig, resolveConfig, type Vocabulary } from '../../../lib/config/resolve.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export const vocabulary: Vocabulary = {
  stages: [
    { name: 'stage-a', trains: ['projector', 'llm'] },
    { name: 'stage-b', trains: ['projector', 'lora'] },
  ],
  sources: [
    {
      name: 'captions',
      tasks: ['caption'],
      options: z.strictObject({ index: z.string().meta({ description: 'An index file.', path: true }).optional() }),
    },
    {
      name: 'questions',
      aliases: { ask_all: {}, invquestions: { task: 'refer', limit: 5 } },
      tasks: ['vqa', 'refer'],
      options: z.strictObject({ limit: z.int().default(3).describe('At most.') }),
    },
  ],
  presets: {
    small: {
      vision: { imageSize: 32, patch: 8, width: 16, depth: 1, heads: 2, mlpHidden: 32 },
      join: 4,
      llm: { vocabulary: 100, width: 16, layers: 1, heads: 2, mlpHidden: 32 },
    },
  },
};

export const valid = `version: 1
name: a-run
stage: stage-a
model:
  preset: small
data:
  mixture:
    sources:
      - { source: captions, root: photos }
train:
  steps: 10
  globalBatch: 4
  optimizer: { lr: 1.0e-3 }
`;

/** A folder of files, removed by the system with its temporary files. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder('tristage-config-');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

export interface ResolveInput {
  text: string;
  set?: string[];
  environment?: Record<string, string>;
}

export function resolveText({ text, set = [], environment = {} }: ResolveInput): ResolvedConfig {
  return resolveConfig(join(folderOf({ 'run.yaml': text }), 'run.yaml'), { vocabulary, set, environment });
}

/** Every fault of a text: `code`, the place as `line:column` or the `--set` argument, and the rest. */
export function faults(input: ResolveInput): { code: string; at: string; error: TristageError }[] {
  let thrown: unknown;
  try {
    resolveText(input);
  } catch (error) {
    thrown = error;
  }
  if (thrown === undefined) return [];
  return faultsOf(thrown).map((error) => {
    if (!(error instanceof TristageError)) throw error;
    return { code: error.code, at: (error.where ?? '').replace(/^.*run\.yaml:?/, ''), error };
  });
}
