/**
 * Memory for pixels that is used again. Every array of a megabyte that is left to the collector brings its next full pass nearer,
 * which costs more than the decoding of some images.
 */

export interface PixelMemory {
  /** So many bytes, with whatever was in them before. */
  take(bytes: number): Uint8Array;
  /** Gives back what `take` gave, or a part of it; nobody may look at it afterwards. Other memory, or the same once more, is left alone. */
  give(pixels: Uint8Array): void;
}

/**
 * Keeps what is given back; what never is goes to the collector as if it came from nowhere.
 * @param options `shared`: between threads
 */
export function createPixelMemory({ shared }: { shared: boolean }): PixelMemory {
  const free: ArrayBufferLike[] = [];
  const lent = new WeakSet<ArrayBufferLike>();
  return {
    take(bytes) {
      const place = free.findIndex(({ byteLength }) => byteLength >= bytes);
      // One that is too small makes room for one that is not.
      const [known] = free.splice(Math.max(place, 0), 1);
      const buffer =
        place >= 0 ? (known as ArrayBufferLike) : shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
      lent.add(buffer);
      return new Uint8Array(buffer, 0, bytes);
    },
    give({ buffer }) {
      if (lent.delete(buffer)) free.push(buffer);
    },
  };
}
