/**
 * Counter-based random numbers: each number is a pure function of integer keys and an index. There is no state to save, so
 * resume, recompute and any number of processes see the same numbers.
 *
 * The keys are absorbed one by one into a state of two 32-bit words by multiply and xor-shift rounds of the kind used in hash
 * finalisers; the same rounds turn state and index into an output. Good for training, not for secrets.
 */

/** Largest integer that may be a key or an index. */
const LARGEST = Number.MAX_SAFE_INTEGER;
const TWO_32 = 2 ** 32;

/** Bijective mixing of 32 bits: each input bit flips about half of the output bits. */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** State of a stream: two 32-bit words. */
type State = readonly [number, number];

const START: State = [0x9e3779b9, 0x85ebca6b];

/** Absorbs one 32-bit word. */
function absorbWord(state: State, word: number): State {
  const high = mix32(state[0] ^ word);
  const low = mix32((state[1] + Math.imul(high, 0x9e3779b1) + word) | 0);
  return [mix32((high + Math.imul(low, 0x85ebca77)) | 0), low];
}

function absorb(state: State, key: number): State {
  if (!Number.isSafeInteger(key)) throw new RangeError(`a random key must be an integer up to 2^53, found ${key}`);
  return absorbWord(absorbWord(state, key >>> 0), Math.floor(key / TWO_32) | 0);
}

/** Numbers of one stream; index i always gives the same number. */
export interface RandomStream {
  /** Integer in [0, 2^32). */
  uint32(index: number): number;
  /** Multiple of 2^-53 in [0, 1). */
  uniform(index: number): number;
  /** Standard normal (Box and Muller), finite. */
  normal(index: number): number;
  /** Integer in [0, bound), bound up to 2^53. */
  integer(index: number, bound: number): number;
  /** The stream of these keys followed by more. */
  child(...keys: number[]): RandomStream;
}

/**
 * The stream of random numbers of a tuple of integer keys, for example (seed, step, layer).
 * @param keys integers from -2^53 to 2^53; their order and count matter
 * @throws RangeError for a key that is not such an integer
 */
export function randomStream(...keys: number[]): RandomStream {
  return streamOf(keys.reduce(absorb, START));
}

function streamOf(state: State): RandomStream {
  const uniform = (index: number): number => {
    const [high, low] = absorb(state, index);
    return ((high >>> 5) * 67108864 + (mix32(low) >>> 6)) / 9007199254740992;
  };
  return {
    uniform,
    uint32: (index) => absorb(state, index)[0],
    normal(index) {
      const [high, low] = absorb(state, index);
      const radius = Math.sqrt(-2 * Math.log((high + 0.5) / TWO_32));
      return radius * Math.cos((2 * Math.PI * mix32(low)) / TWO_32);
    },
    integer(index, bound) {
      if (!(Number.isSafeInteger(bound) && bound > 0)) throw new RangeError(`bound must be positive, found ${bound}`);
      return Math.floor(uniform(index) * bound);
    },
    child: (...keys) => streamOf(keys.reduce(absorb, state)),
  };
}

/** A 32-bit integer key for a text, such as the name of a tensor or of a source. */
export function keyOfText(text: string): number {
  let state = START;
  for (const byte of new TextEncoder().encode(text)) state = absorbWord(state, byte);
  return state[0];
}

/**
 * A random order of 0..size-1, without building it: a Feistel network of six rounds over the smallest even number of bits that
 * holds `size`, walked until it lands inside.
 * @param size at most 2^52
 * @param stream its keys choose the order
 * @returns the place of an index in that order: different indices, 0 <= index < size, have different places in [0, size)
 */
export function permutation(size: number, stream: RandomStream): (index: number) => number {
  if (!(Number.isSafeInteger(size) && size > 0 && size <= (LARGEST + 1) / 2)) {
    throw new RangeError(`size must be an integer from 1 to 2^52, found ${size}`);
  }
  let half = 2;
  while (half * half < size) half *= 2;
  const keys = Array.from({ length: 6 }, (_, round) => stream.uint32(round));
  return (index) => {
    if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) {
      throw new RangeError(`index must be an integer from 0 to ${size - 1}, found ${index}`);
    }
    let place = index;
    do {
      let left = Math.floor(place / half);
      let right = place % half;
      for (const key of keys) {
        const mixed = left ^ (mix32(mix32(right ^ key) + key) & (half - 1));
        left = right;
        right = mixed;
      }
      place = left * half + right;
    } while (place >= size);
    return place;
  };
}

/** One place of a {@link permutation}. */
export function permuted(index: number, size: number, stream: RandomStream): number {
  return permutation(size, stream)(index);
}
