/** What the markers of a JPEG say, of the kind that the kernel decodes: baseline, one scan, grey or light and colour. */

/** One plane of samples. */
export interface JpegComponent {
  id: number;
  /** Blocks of 8 x 8 in a unit. */
  across: number;
  down: number;
  quantisation: Uint16Array;
  dc: JpegCodes;
  ac: JpegCodes;
}

/** A Huffman code: how many codes have 1 to 16 bits, and the symbols in their order. */
export interface JpegCodes {
  counts: Uint8Array;
  symbols: Uint8Array;
}

export interface JpegHeader {
  width: number;
  height: number;
  /** One, or three: light, blue difference, red difference. */
  components: JpegComponent[];
  /** Units between two restarts; 0: none. */
  restart: number;
  /** Where the coded data begin. */
  start: number;
}

/** Of each coefficient in stream order, its place in the block. */
export const ZIGZAG: readonly number[] = Array.from({ length: 64 }, (_, place) => place).sort(
  (a, b) => order(a) - order(b),
);

/** Diagonals from the top left, every second one upwards. */
function order(place: number): number {
  const [x, y] = [place % 8, place >> 3];
  return (x + y) * 8 + ((x + y) % 2 === 1 ? y : x);
}

const SOF0 = 0xc0;
const SOF1 = 0xc1;
const DHT = 0xc4;
const SOS = 0xda;
const DQT = 0xdb;
const DRI = 0xdd;
const APP14 = 0xee;

interface Found {
  quantisation: (Uint16Array | undefined)[];
  codes: Map<number, JpegCodes>;
  frame?: { width: number; height: number; parts: { id: number; sampling: number; table: number }[] };
  restart: number;
}

/**
 * Reads up to the coded data.
 * @returns undefined for anything else than the plainest kind of JPEG, whole or not: another decoder knows what to say of it
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const found: Found = { quantisation: [], codes: new Map(), restart: 0 };
  let at = 2;
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  for (;;) {
    if (bytes[at] !== 0xff || at + 4 > bytes.length) return undefined;
    const marker = bytes[at + 1] as number;
    const length = word(bytes, at + 2);
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) return undefined;
    const part = bytes.subarray(at + 4, end);
    if (marker === SOS) return joinScan(part, found, end);
    if (!takeSegment(marker, part, found)) return undefined;
    at = end;
  }
}

/** @returns false for what this decoder does not know, or what is wrong */
function takeSegment(marker: number, part: Uint8Array, found: Found): boolean {
  if (marker === DQT) return takeQuantisation(part, found);
  if (marker === DHT) return takeCodes(part, found);
  if (marker === SOF0 || marker === SOF1) return takeFrame(part, found);
  if (marker === DRI) {
    found.restart = part.length === 2 ? word(part, 0) : -1;
    return part.length === 2;
  }
  // Adobe's says when three components are light and colour; 0 is RGB.
  if (marker === APP14 && part.length >= 12 && Buffer.from(part.subarray(0, 5)).toString('latin1') === 'Adobe') {
    return part[11] === 1;
  }
  return (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe;
}

function takeQuantisation(part: Uint8Array, { quantisation }: Found): boolean {
  for (let at = 0; at < part.length; at += 65) {
    const id = part[at] as number;
    if (id > 3 || at + 65 > part.length) return false;
    const table = new Uint16Array(64);
    for (let place = 0; place < 64; place++) table[ZIGZAG[place] as number] = part[at + 1 + place] as number;
    quantisation[id] = table;
  }
  return true;
}

function takeCodes(part: Uint8Array, { codes }: Found): boolean {
  for (let at = 0; at < part.length; ) {
    const id = part[at] as number;
    const counts = part.slice(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const symbols = part.slice(at + 17, at + 17 + total);
    if ((id & 0xee) !== 0 || counts.length < 16 || total > 256 || symbols.length < total) return false;
    // Differences of more than 11 bits do not occur in images of 8.
    if (id < 16 && symbols.some((symbol) => symbol > 11)) return false;
    codes.set(id, { counts, symbols });
    at += 17 + total;
  }
  return true;
}

function takeFrame(part: Uint8Array, found: Found): boolean {
  const count = part[5] as number;
  if (found.frame !== undefined || part[0] !== 8 || part.length !== 6 + 3 * count) return false;
  const parts = Array.from({ length: count }, (_, place) => {
    const [id, sampling, table] = part.subarray(6 + 3 * place) as unknown as [number, number, number];
    return { id, sampling, table };
  });
  found.frame = { height: word(part, 1), width: word(part, 3), parts };
  return true;
}

/** The scan's own header, with what was found before it. */
function joinScan(
  part: Uint8Array,
  { frame, quantisation, codes, restart }: Found,
  start: number,
): JpegHeader | undefined {
  if (frame === undefined || frame.width === 0 || frame.height === 0) return undefined;
  const { parts, ...size } = frame;
  const count = parts.length;
  if (part[0] !== count || part.length !== 4 + 2 * count) return undefined;
  // All coefficients, at full precision.
  const [first, last, precision] = part.subarray(1 + 2 * count);
  if (first !== 0 || last !== 63 || precision !== 0) return undefined;
  if (!(count === 1 || (count === 3 && parts.every(({ id }, place) => id === place + 1)))) return undefined;
  const components: JpegComponent[] = [];
  for (const [place, { id, sampling, table }] of parts.entries()) {
    const names = part[2 + 2 * place] as number;
    const [own, dc, ac] = [quantisation[table], codes.get(names >> 4), codes.get(0x10 | (names & 15))];
    if (part[1 + 2 * place] !== id || own === undefined || dc === undefined || ac === undefined) return undefined;
    // A scan of one component has one block in a unit, whatever it says.
    const [across, down] = count === 1 ? [1, 1] : [sampling >> 4, sampling & 15];
    components.push({ id, across, down, quantisation: own, dc, ac });
  }
  return isKnownSampling(components) ? { ...size, components, restart, start } : undefined;
}

/** Light alone, or colour as fine as light, of half its width, or of half its width and height. */
function isKnownSampling([light, ...colour]: readonly JpegComponent[]): boolean {
  if (colour.some(({ across, down }) => across !== 1 || down !== 1)) return false;
  const name = `${light?.across} ${light?.down}`;
  return ['1 1', '2 1', '2 2'].includes(name);
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
