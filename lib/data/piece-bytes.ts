/** Bytes that pieces of a fast tokenizer stand for, and the text that they spell. (tokenizers: decoders/byte_fallback.rs, byte_level.rs) */

import { byteOfPiece } from './bpe.ts';

/** Whether a decoder of a tokenizer.json turns characters into bytes one by one. */
export function isByteLevel(decoder: unknown): boolean {
  const { type, decoders } = (decoder ?? {}) as { type?: unknown; decoders?: unknown };
  return type === 'ByteLevel' || (Array.isArray(decoders) && decoders.length === 1 && isByteLevel(decoders[0]));
}

/** The byte of each character of a byte-level vocabulary: printable ones of Latin-1 are themselves, the others come behind. */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  let others = 0;
  return new Map(
    Array.from({ length: 256 }, (_, byte): [string, number] => [
      String.fromCharCode(printable(byte) ? byte : 256 + others++),
      byte,
    ]),
  );
})();

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The bytes of a byte-level piece; undefined for one with other characters, which was added as text. */
export function bytesOfPiece(piece: string): number[] | undefined {
  const bytes = [...piece].map((character) => BYTE_OF.get(character));
  return bytes.includes(undefined) ? undefined : (bytes as number[]);
}

/** The text of byte-level pieces; bytes that are no UTF-8 become replacement characters. */
export function bytesAsText(pieces: readonly string[]): string {
  const bytes = pieces.flatMap((piece) => bytesOfPiece(piece) ?? [...new TextEncoder().encode(piece)]);
  return UTF8.decode(Uint8Array.from(bytes));
}

/** Runs of byte pieces such as `<0xE2>` replaced by the text that they spell, or by one replacement character for each byte. */
export function withBytesJoined(pieces: readonly string[]): string[] {
  const joined: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length > 0) joined.push(strictText(bytes));
    bytes = [];
  };
  for (const piece of pieces) {
    const byte = byteOfPiece(piece);
    if (byte !== undefined) {
      bytes.push(byte);
      continue;
    }
    flush();
    joined.push(piece);
  }
  flush();
  return joined;
}

function strictText(bytes: readonly number[]): string {
  try {
    return STRICT_UTF8.decode(Uint8Array.from(bytes));
  } catch {
    return '\ufffd'.repeat(bytes.length);
  }
}
