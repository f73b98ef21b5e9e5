/**
 * Byte-pair merging as SentencePiece does it: again and again the adjacent pair whose joined text is the piece with the highest
 * score is joined, the leftmost first among equals. (sentencepiece: bpe_model.cc)
 */

import { PIECE_TYPE, type Piece } from './sentencepiece.ts';

/** SentencePiece's mark for a space. */
export const SPACE_MARK = '\u2581';

/** Chunks that are remembered; the table is dropped when full, since words repeat and rare chunks should not stay. */
const CACHE_CHUNKS = 65536;
const CACHE_CHUNK_LENGTH = 32;

/** Turns text (spaces already marks) into token ids. */
export type Merger = (marked: string) => number[];

interface Vocabulary {
  /** Id of each piece that merging may produce. */
  ids: Map<string, number>;
  /** Order of each id by score, 0 = best; equal scores share an order. */
  rank: Uint32Array;
  frozen: RegExp | undefined;
  byteIds: Uint16Array | Uint32Array | undefined;
  unkId: number;
}

/** A candidate join of the symbols at `left` and `right`; stale when the symbols' joined length has changed. */
interface Candidate {
  /** Rank, then place: smaller comes first. */
  key: number;
  left: number;
  right: number;
  length: number;
}

/**
 * Prepares a vocabulary for merging.
 * @param pieces place = id
 * @param unkId the id of characters that have neither a piece nor byte pieces; a run of them gives one
 */
export function createMerger(pieces: readonly Piece[], unkId: number): Merger {
  const vocabulary = prepare(pieces, unkId);
  // Where no piece has a mark after another character, no join crosses the start of a word, so words merge on their own.
  const byWord =
    vocabulary.frozen === undefined &&
    !pieces.some((piece) => new RegExp(`[^${SPACE_MARK}]${SPACE_MARK}`).test(piece.text));
  if (!byWord) return (marked) => tidyUnknown(mergeAll(marked, vocabulary), unkId);
  const words = new RegExp(`${SPACE_MARK}*[^${SPACE_MARK}]+|${SPACE_MARK}+`, 'g');
  const cache = new Map<string, readonly number[]>();
  return (marked) => {
    const ids: number[] = [];
    for (const word of marked.match(words) ?? []) {
      let found = cache.get(word);
      if (found === undefined) {
        found = mergeAll(word, vocabulary);
        if (cache.size >= CACHE_CHUNKS) cache.clear();
        if (word.length <= CACHE_CHUNK_LENGTH) cache.set(word, found);
      }
      for (const id of found) ids.push(id);
    }
    return tidyUnknown(ids, unkId);
  };
}

function prepare(pieces: readonly Piece[], unkId: number): Vocabulary {
  const ids = new Map<string, number>();
  const byteIds = new Uint32Array(256);
  let bytes = 0;
  for (const [id, piece] of pieces.entries()) {
    if (piece.type === PIECE_TYPE.normal || piece.type === PIECE_TYPE.userDefined) ids.set(piece.text, id);
    const byte = piece.type === PIECE_TYPE.byte ? byteOfPiece(piece.text) : undefined;
    if (byte !== undefined) {
      byteIds[byte] = id;
      bytes += 1;
    }
  }
  const order = [...pieces.keys()].sort((a, b) => (pieces[b] as Piece).score - (pieces[a] as Piece).score);
  const rank = new Uint32Array(pieces.length);
  for (const [place, id] of order.entries()) {
    const before = order[place - 1];
    const tied = before !== undefined && (pieces[before] as Piece).score === (pieces[id] as Piece).score;
    rank[id] = tied ? (rank[before] as number) : place;
  }
  const own = pieces.filter((piece) => piece.type === PIECE_TYPE.userDefined).map((piece) => piece.text);
  const pattern = own.sort((a, b) => b.length - a.length).map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return {
    ids,
    rank,
    frozen: pattern.length > 0 ? new RegExp(pattern.join('|'), 'y') : undefined,
    byteIds: bytes === 256 ? byteIds : undefined,
    unkId,
  };
}

/** The byte of a piece such as `<0x0A>`, or undefined. */
export function byteOfPiece(text: string): number | undefined {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match === null ? undefined : Number.parseInt(match[1] as string, 16);
}

/** A run of unknown characters is one unknown token. */
function tidyUnknown(ids: number[], unkId: number): number[] {
  return ids.filter((id, place) => id !== unkId || ids[place - 1] !== unkId);
}

/** Ids of one chunk. Symbol i covers text from `starts[i]` to `ends[i]`; an absorbed symbol has length 0. */
function mergeAll(chunk: string, vocabulary: Vocabulary): number[] {
  const whole = vocabulary.ids.get(chunk);
  const { starts, ends, frozen } = splitSymbols(chunk, vocabulary.frozen);
  if (starts.length === 1 && whole !== undefined) return [whole];
  const next = starts.map((_, place) => (place + 1 < starts.length ? place + 1 : -1));
  const previous = starts.map((_, place) => place - 1);
  const heap: Candidate[] = [];
  const consider = (left: number, right: number): void => {
    if (left < 0 || right < 0 || frozen[left] || frozen[right]) return;
    const start = starts[left] as number;
    const end = ends[right] as number;
    const id = vocabulary.ids.get(chunk.slice(start, end));
    if (id === undefined) return;
    push(heap, { key: (vocabulary.rank[id] as number) * 2 ** 32 + left, left, right, length: end - start });
  };
  for (let place = 0; place + 1 < starts.length; place++) consider(place, place + 1);
  for (let best = pop(heap); best !== undefined; best = pop(heap)) {
    const { left, right, length } = best;
    const alive = starts[left] !== ends[left] && starts[right] !== ends[right];
    if (!alive || (ends[right] as number) - (starts[left] as number) !== length) continue;
    ends[left] = ends[right] as number;
    starts[right] = ends[right] as number;
    const after = next[right] as number;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    consider(previous[left] as number, left);
    consider(left, after);
  }
  const ids: number[] = [];
  for (let place = 0; place >= 0 && place < starts.length; place = next[place] as number) {
    emit(chunk.slice(starts[place] as number, ends[place] as number), vocabulary, ids);
  }
  return ids;
}

/** Cuts text into characters; user-defined pieces stay whole and take part in no join. */
function splitSymbols(text: string, frozenPieces: RegExp | undefined) {
  const starts: number[] = [];
  const ends: number[] = [];
  const frozen: boolean[] = [];
  for (let place = 0; place < text.length; ) {
    let length = (text.codePointAt(place) as number) > 0xffff ? 2 : 1;
    let fixed = false;
    if (frozenPieces !== undefined) {
      frozenPieces.lastIndex = place;
      const match = frozenPieces.exec(text);
      if (match !== null) {
        length = match[0].length;
        fixed = true;
      }
    }
    starts.push(place);
    place += length;
    ends.push(place);
    frozen.push(fixed);
  }
  return { starts, ends, frozen };
}

/** Appends the id of a symbol, or those of its bytes, or the unknown token. */
function emit(text: string, vocabulary: Vocabulary, ids: number[]): void {
  const id = vocabulary.ids.get(text);
  if (id !== undefined) ids.push(id);
  else if (vocabulary.byteIds === undefined) ids.push(vocabulary.unkId);
  else for (const byte of new TextEncoder().encode(text)) ids.push(vocabulary.byteIds[byte] as number);
}

function push(heap: Candidate[], item: Candidate): void {
  let place = heap.length;
  heap.push(item);
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const above = heap[parent] as Candidate;
    if (above.key <= item.key) break;
    heap[place] = above;
    place = parent;
  }
  heap[place] = item;
}

function pop(heap: Candidate[]): Candidate | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && right.key < (heap[child] as Candidate).key) child += 1;
    if ((heap[child] as Candidate).key >= last.key) break;
    heap[place] = heap[child] as Candidate;
    place = child;
  }
  heap[place] = last;
  return top;
}
