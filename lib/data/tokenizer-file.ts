/** Opens the tokenizer that comes with a language model: a file, or the folder of the weights. */

import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { openGguf } from '../formats/gguf.ts';
import { fastTokenizer } from './fast-tokenizer.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { loadSentencePiece, type Tokenizer } from './tokenizer.ts';

/** A tokenizer that was read from files. */
export interface TokenizerFile {
  tokenizer: Tokenizer;
  /** Whose rules it follows. */
  kind: 'sentencepiece' | 'fast';
  /** SHA-256 over the names and bytes of `files`: equal hashes mean equal ids. */
  sha256: string;
  /** What another program needs to read it, by file name. */
  files: ReadonlyMap<string, Uint8Array>;
}

const FAST = 'tokenizer.json';
const CONFIG = 'tokenizer_config.json';
const SENTENCE_PIECE = 'tokenizer.model';

/**
 * Opens a tokenizer.json, a tokenizer.model, a GGUF file, or a folder with one of the first two. In a folder with both the
 * tokenizer.model is taken: it is what the other one was made from.
 * @throws TristageError E_TOKENIZER naming what was looked for, or what is wrong with the file
 */
export async function openTokenizerFile(path: string): Promise<TokenizerFile> {
  const found = await resolveFile(path);
  if (found.endsWith('.gguf')) return fromGguf(found);
  const bytes = new Uint8Array(await readFile(found));
  if (basename(found).endsWith('.json')) return fast(found, bytes, await configBeside(found));
  const files = new Map([[SENTENCE_PIECE, bytes]]);
  return { tokenizer: loadSentencePiece(bytes, { name: found }), kind: 'sentencepiece', sha256: hashOf(files), files };
}

async function resolveFile(path: string): Promise<string> {
  const isFolder = (await statOf(path))?.isDirectory();
  if (isFolder === false) return path;
  if (isFolder === true) {
    for (const name of [SENTENCE_PIECE, FAST]) {
      const inside = join(path, name);
      if ((await statOf(inside))?.isFile()) return inside;
    }
  }
  throw new TristageError({
    kind: 'data',
    code: 'E_TOKENIZER',
    message: 'there is no tokenizer',
    where: path,
    found: isFolder === true ? `a folder without ${SENTENCE_PIECE} and ${FAST}` : 'no such file or folder',
    expected: `a ${FAST}, a ${SENTENCE_PIECE}, a GGUF file, or the folder of the language model's weights`,
    fix: 'correct model.tokenizer, or leave it out where the language model is a LLaMA or LLaMA 2',
  });
}

async function statOf(path: string) {
  return stat(path).catch(() => undefined);
}

/** The settings beside a tokenizer.json; a file alone has none. */
async function configBeside(path: string): Promise<Uint8Array | undefined> {
  return readFile(join(dirname(path), CONFIG)).then(
    (bytes) => new Uint8Array(bytes),
    () => undefined,
  );
}

async function fromGguf(path: string): Promise<TokenizerFile> {
  const file = await openGguf(path);
  try {
    const { json, config } = ggufTokenizer(file);
    const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    return await fast(path, bytes(json), bytes(config));
  } finally {
    await file.close();
  }
}

async function fast(path: string, json: Uint8Array, config: Uint8Array | undefined): Promise<TokenizerFile> {
  const files = new Map([[FAST, json], ...(config === undefined ? [] : [[CONFIG, config] as const])]);
  const tokenizer = await fastTokenizer(
    {
      json: parsed(json, path),
      ...(config === undefined ? {} : { config: parsed(config, join(dirname(path), CONFIG)) }),
    },
    path,
  );
  return { tokenizer, kind: 'fast', sha256: hashOf(files), files };
}

function parsed(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TristageError({
      kind: 'data',
      code: 'E_TOKENIZER',
      message: 'the tokenizer cannot be read',
      where: name,
      found: (cause as Error).message,
      expected: 'JSON in UTF-8',
      fix: "use the tokenizer files that belong to the language model's weights",
      cause,
    });
  }
}

function hashOf(files: ReadonlyMap<string, Uint8Array>): string {
  return sha256(JSON.stringify([...files].map(([name, bytes]) => [name, sha256(bytes)])));
}
