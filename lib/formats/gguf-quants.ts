/**
 * The block formats of ggml that are read. A row is cut into blocks of 32 values that share a scale (and a lowest value); layouts:
 * ggml-common.h (block_q4_0, block_q4_1, block_q8_0) and the dequantize_row functions of ggml-quants.c.
 */

import { halfToFloat32 } from './half.ts';
import type { HostDtype } from './host-tensor.ts';

/** Values of a quantised block. */
const BLOCK = 32;

/** How a type of the format is stored. */
export interface GgufType {
  readonly name: string;
  /** Values and bytes of one block; plain types have blocks of one value. */
  readonly values: number;
  readonly bytes: number;
  /** What a tensor of this type is read as. */
  readonly dtype: HostDtype;
  /** Widens blocks; absent where the bytes are the values already. */
  readonly dequantise?: (blocks: Uint8Array) => Float32Array;
}

const plain = (name: string, dtype: HostDtype, bytes: number): GgufType => ({ name, values: 1, bytes, dtype });

/** Types that are read, by their number in the file. */
export const GGUF_TYPES: Readonly<Partial<Record<number, GgufType>>> = {
  0: plain('F32', 'F32', 4),
  1: plain('F16', 'F16', 2),
  2: { name: 'Q4_0', values: BLOCK, bytes: 18, dtype: 'F32', dequantise: dequantiseQ4_0 },
  3: { name: 'Q4_1', values: BLOCK, bytes: 20, dtype: 'F32', dequantise: dequantiseQ4_1 },
  8: { name: 'Q8_0', values: BLOCK, bytes: 34, dtype: 'F32', dequantise: dequantiseQ8_0 },
  24: plain('I8', 'I8', 1),
  25: plain('I16', 'I16', 2),
  26: plain('I32', 'I32', 4),
  27: plain('I64', 'I64', 8),
  28: plain('F64', 'F64', 8),
  30: plain('BF16', 'BF16', 2),
};

/** Names of types that are known and not read, for messages. */
export const UNREAD_TYPES: Readonly<Partial<Record<number, string>>> = {
  6: 'Q5_0',
  7: 'Q5_1',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

/**
 * The 16-bit head words of every block as float32.
 * @param blocks whole blocks of `size` bytes
 * @param place which word of a block
 */
function headWords(blocks: Uint8Array, size: number, place: number): Float32Array {
  const words = new Uint16Array(blocks.byteLength / size);
  for (let block = 0; block < words.length; block++) {
    const at = block * size + 2 * place;
    words[block] = blocks[at]! | (blocks[at + 1]! << 8);
  }
  return halfToFloat32(words);
}

/** scale f16, 32 x int8: scale * q. */
function dequantiseQ8_0(blocks: Uint8Array): Float32Array {
  const scales = headWords(blocks, 34, 0);
  const values = new Float32Array(scales.length * BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const [from, to, scale] = [block * 34 + 2, block * BLOCK, scales[block]!];
    for (let i = 0; i < BLOCK; i++) values[to + i] = scale * ((blocks[from + i]! << 24) >> 24);
  }
  return values;
}

/** scale f16, 16 bytes: low nibbles are the first half of the block, high nibbles the second; scale * (q - 8). */
function dequantiseQ4_0(blocks: Uint8Array): Float32Array {
  const scales = headWords(blocks, 18, 0);
  const values = new Float32Array(scales.length * BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const [from, to, scale] = [block * 18 + 2, block * BLOCK, scales[block]!];
    for (let i = 0; i < BLOCK / 2; i++) {
      const pair = blocks[from + i]!;
      values[to + i] = scale * ((pair & 15) - 8);
      values[to + BLOCK / 2 + i] = scale * ((pair >> 4) - 8);
    }
  }
  return values;
}

/** scale f16, lowest f16, 16 bytes of nibbles as in Q4_0; scale * q + lowest, the product rounded first. */
function dequantiseQ4_1(blocks: Uint8Array): Float32Array {
  const [scales, lowest] = [headWords(blocks, 20, 0), headWords(blocks, 20, 1)];
  const values = new Float32Array(scales.length * BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const [from, to, scale, base] = [block * 20 + 4, block * BLOCK, scales[block]!, lowest[block]!];
    for (let i = 0; i < BLOCK / 2; i++) {
      const pair = blocks[from + i]!;
      values[to + i] = Math.fround(scale * (pair & 15)) + base;
      values[to + BLOCK / 2 + i] = Math.fround(scale * (pair >> 4)) + base;
    }
  }
  return values;
}
