/** SHA-256 of bytes, texts and files, as lower-case hexadecimal. */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 1 << 20;

/**
 * SHA-256 of a byte string or of a text in UTF-8.
 * @returns 64 lower-case hexadecimal digits
 */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * SHA-256 and size of a file, read in pieces of one MiB.
 * @throws the file system's own error when the file cannot be read
 */
export async function sha256File(path: string): Promise<{ hash: string; bytes: number }> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, bytes);
      if (bytesRead === 0) return { hash: hash.digest('hex'), bytes };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Of each sample of a file that is too large to be read whole. */
const SAMPLE_BYTES = 4096;
const SAMPLES = 4;

/**
 * SHA-256 of a file's size and of a few samples of its content, both ends among them: tells files apart that may be terabytes.
 * @throws the file system's own error when the file cannot be read
 */
export async function sampledDigest(path: string): Promise<{ bytes: number; sha256: string }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const hash = createHash('sha256').update(`${size}\n`);
    const last = Math.max(0, size - SAMPLE_BYTES);
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    for (let sample = 0; sample < SAMPLES; sample++) {
      const { bytesRead } = await file.read(buffer, 0, SAMPLE_BYTES, Math.floor((last * sample) / (SAMPLES - 1)));
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { bytes: size, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}
