// Addresses in the kernel's memory that decode.ts shares.

export const BLOCK: i32 = 0; // i16[64], and 16 more that only a damaged stream reaches
export const ZIGZAG: i32 = 256; // u8[80]: byte offset in the block of each coefficient in stream order
export const COMPONENTS: i32 = 1024; // i32[8] each: plane, stride, across, down, quantisation, DC table, AC table, last DC
export const LINES: i32 = 24576; // where `colour` keeps a line: blue, red and sums, LINE_BYTES each
export const LINE_BYTES: i32 = 16640;

// Parts of a code table; entries by the first bits come first (decode.ts says what is in them).
export const FAST_BITS: i32 = 10;
export const LIMITS: i32 = 4096; // u32[17]: the first 16 bits that are no code of so many bits or fewer
export const DELTAS: i32 = 4224; // i32[17]: place in the list of symbols, less the code
export const SYMBOLS: i32 = 4352; // u8[256]
