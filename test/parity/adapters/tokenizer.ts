/** Fixture folder `tokenizer`: texts to ids, with and without BOS, and back to text. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { llama2Tokenizer, loadSentencePiece, type Tokenizer } from '../../../lib/data/tokenizer.ts';
import type { ParityResult } from '../result.ts';

interface Block {
  vocab_size: number;
  pad_token_id: number;
  bos: number;
  eos: number;
  unk: number;
  file: string;
  items: { text: string; ids: number[]; ids_bos: number[]; decoded: string }[];
}

const LLAMA_PIECES = 32000;

/**
 * Compares every text of every vocabulary in `tokenizer.json`, exactly.
 * @param dir a fixture folder of this format
 */
export async function run(dir: string): Promise<ParityResult[]> {
  const fixture = JSON.parse(await readFile(join(dir, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
  const blocks = Object.entries(fixture).filter((entry): entry is [string, Block] => isBlock(entry[1]));
  if (blocks.length === 0) return [{ name: 'tokenizer', ok: false, detail: 'tokenizer.json holds no list of texts' }];
  const results: ParityResult[] = [];
  for (const [name, block] of blocks) {
    const tokenizer = await tokenizerOf(dir, block);
    const wrong = block.items.flatMap((item) => differences(tokenizer, item));
    const constants = [tokenizer.vocabSize, tokenizer.bosId, tokenizer.eosId, tokenizer.unkId, tokenizer.padId].join(
      ' ',
    );
    const expected = [block.vocab_size, block.bos, block.eos, block.unk, block.pad_token_id].join(' ');
    if (constants !== expected) wrong.push(`size bos eos unk pad: ${constants}, expected ${expected}`);
    results.push({
      name: `tokenizer/${name}`,
      ok: block.items.length > 0 && wrong.length === 0,
      detail: wrong.length === 0 ? `${block.items.length} texts exact` : `${wrong.length} differences; ${wrong[0]}`,
    });
  }
  return results;
}

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && Array.isArray((value as Block).items);
}

async function tokenizerOf(dir: string, block: Block): Promise<Tokenizer> {
  const path = join(dir, block.file);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined && block.vocab_size !== LLAMA_PIECES) throw new Error(`${path} is missing`);
  const open = async (padPiece?: string): Promise<Tokenizer> => {
    const options = padPiece === undefined ? {} : { padPiece };
    return bytes === undefined ? llama2Tokenizer(options) : loadSentencePiece(bytes, { ...options, name: path });
  };
  return open((await open()).piece(block.pad_token_id));
}

function differences(tokenizer: Tokenizer, item: Block['items'][number]): string[] {
  const found = { ids: tokenizer.encode(item.text), ids_bos: tokenizer.encode(item.text, { bos: true }), decoded: '' };
  found.decoded = tokenizer.decode(item.ids);
  return (['ids', 'ids_bos', 'decoded'] as const)
    .filter((key) => JSON.stringify(found[key]) !== JSON.stringify(item[key]))
    .map(
      (key) =>
        `${JSON.stringify(item.text)} ${key}: ${JSON.stringify(found[key])}, expected ${JSON.stringify(item[key])}`,
    );
}
