// Baseline JPEG to RGB with 128-bit vectors, in AssemblyScript. The arithmetic is that of the IJG library's exact integer transform
// ("islow"), its triangle filter for halved colour ("fancy upsampling") and its 16-bit colour conversion, which the decoders of Pillow
// and sharp follow to the bit.

export { colour } from './colour';
export { bytesSeen, decode, unstuff } from './stream';
