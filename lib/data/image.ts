/**
 * Encoded images to the square of pixels that the vision tower takes. Decoding agrees with Pillow's `convert('RGB')`: embedded
 * colour profiles and EXIF rotation are ignored, transparency is dropped, grey and palette become RGB, 16 bits keep the upper 8.
 */

import sharp, { type Sharp } from 'sharp';
import { badImage, bytesOfImage, jpegComponents } from './image-bytes.ts';
import type { RgbImage } from './resize-pillow.ts';
import { resizePillowVector } from './resize-vector.ts';
import { type ImageRef, nameOfImage } from './sample.ts';

/** Channel means of CLIP, on pixels in 0..1 (MiniGPT-v2: blip_processors.py). */
export const IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
/** Channel deviations of CLIP. */
export const IMAGE_STD = [0.26862954, 0.26130258, 0.27577711] as const;

/**
 * How a photo becomes a square: `pillow-bicubic` equals what the published vision tower was trained on to the byte;
 * `sharp-cubic` is libvips' own (up to 11 of 255 off when shrinking, far more when an axis grows).
 */
export type ImageTransform = 'pillow-bicubic' | 'sharp-cubic';

export interface DecodeImageOptions {
  /** Refuse images of more pixels, before they are decoded. Default 100 million. */
  maxPixels?: number;
}

export interface LoadImageOptions extends DecodeImageOptions {
  /** Width and height of the square. */
  size: number;
  /** Default `pillow-bicubic`. */
  transform?: ImageTransform;
}

const MAX_PIXELS = 100_000_000;

/** What the first bytes of the formats look like; anything else is not handed to a decoder at all. */
const SIGNATURES: readonly { name: string; at: number; bytes: readonly number[] }[] = [
  { name: 'JPEG', at: 0, bytes: [0xff, 0xd8, 0xff] },
  { name: 'PNG', at: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { name: 'GIF', at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  { name: 'WebP', at: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
  { name: 'TIFF', at: 0, bytes: [0x49, 0x49, 0x2a, 0x00] },
  { name: 'TIFF', at: 0, bytes: [0x4d, 0x4d, 0x00, 0x2a] },
  { name: 'AVIF', at: 4, bytes: [0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69] },
];

/**
 * Decodes to RGB.
 * @returns u8[height, width, 3]
 * @throws TristageError E_IMAGE for a missing, damaged, truncated, oversized or unknown file, naming it
 */
export async function decodeImage(image: ImageRef, options: DecodeImageOptions = {}): Promise<RgbImage> {
  if ('pixels' in image) return { data: image.pixels, width: image.width, height: image.height };
  const name = nameOfImage(image);
  const bytes = await bytesOfImage(image);
  checkSignature(bytes, name);
  const maxPixels = options.maxPixels ?? MAX_PIXELS;
  try {
    const source = sharp(bytes, {
      failOn: 'truncated',
      limitInputPixels: maxPixels,
      ignoreIcc: true,
      autoOrient: false,
    });
    if (await hasInks(source, bytes)) return await decodeCmyk(bytes, maxPixels);
    const raw = source.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    return { data: threeChannels(data, info.channels), width: info.width, height: info.height };
  } catch (cause) {
    throw badImage(name, reasonOf(cause), 'a whole image of a known kind', cause);
  }
}

/** Whether it is CMYK. The frame of a JPEG tells without its being opened twice; other kinds are asked. */
async function hasInks(source: Sharp, bytes: Uint8Array): Promise<boolean> {
  const components = jpegComponents(bytes);
  if (components !== undefined && components < 4) return false;
  return (await source.metadata()).space === 'cmyk';
}

/** CMYK without its profile, as Pillow converts it: each colour is what ink and black leave over. */
async function decodeCmyk(bytes: Uint8Array, limitInputPixels: number): Promise<RgbImage> {
  const source = sharp(bytes, { failOn: 'truncated', limitInputPixels, ignoreIcc: true });
  const inks = source.pipelineColourspace('cmyk').toColourspace('cmyk').raw({ depth: 'uchar' });
  const { data, info } = await inks.toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`${info.channels} channels in a CMYK image`);
  const pixels = info.width * info.height;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const left = 255 - (data[pixel * 4 + 3] as number);
    for (let ink = 0; ink < 3; ink++) {
      const product = (data[pixel * 4 + ink] as number) * left + 128;
      rgb[pixel * 3 + ink] = Math.max(left - ((product + (product >> 8)) >> 8), 0);
    }
  }
  return { data: rgb, width: info.width, height: info.height };
}

/**
 * Decodes and resizes to a square; the aspect ratio is not kept.
 * @param into u8[size, size, 3] to be filled; default: memory of its own
 * @returns u8[size, size, 3]: `into` where it was given
 * @throws TristageError E_IMAGE as `decodeImage`
 */
export async function loadImage(image: ImageRef, options: LoadImageOptions, into?: Uint8Array): Promise<Uint8Array> {
  const { size, transform = 'pillow-bicubic' } = options;
  const decoded = await decodeImage(image, options);
  const same = decoded.width === size && decoded.height === size;
  if (!same && transform === 'pillow-bicubic') {
    return resizePillowVector(decoded, { width: size, height: size }, into).data;
  }
  const { data } = same ? decoded : await resizeImage(decoded, size, transform);
  if (into === undefined) return data;
  into.set(data);
  return into;
}

/** Resizes decoded pixels to a square by the named transform. */
export async function resizeImage(image: RgbImage, size: number, transform: ImageTransform): Promise<RgbImage> {
  if (transform === 'pillow-bicubic') return resizePillowVector(image, { width: size, height: size });
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  const resized = sharp(image.data, { raw }).resize(size, size, { fit: 'fill', kernel: 'cubic' });
  const { data, info } = await resized.raw().toBuffer({ resolveWithObject: true });
  return { data: threeChannels(data, info.channels), width: size, height: size };
}

/**
 * The float input of the vision tower; training does this on the device, this is its definition.
 * @param pixels u8[S, S, 3]
 * @param output f32[3, S, S] to be filled; default: a new one
 * @returns f32[3, S, S]: (pixel / 255 - mean) / std by channel
 */
export function normalizePixels(
  pixels: Uint8Array,
  { mean = IMAGE_MEAN, std = IMAGE_STD }: { mean?: readonly number[]; std?: readonly number[] } = {},
  output: Float32Array = new Float32Array(pixels.length),
): Float32Array {
  const places = pixels.length / 3;
  const [red, green, blue] = [0, 1, 2].map((channel) =>
    Float32Array.from(
      { length: 256 },
      (_, value) => (value / 255 - (mean[channel] as number)) / (std[channel] as number),
    ),
  ) as [Float32Array, Float32Array, Float32Array];
  for (let place = 0, from = 0; place < places; place++, from += 3) {
    output[place] = red[pixels[from] as number] as number;
    output[places + place] = green[pixels[from + 1] as number] as number;
    output[2 * places + place] = blue[pixels[from + 2] as number] as number;
  }
  return output;
}

/** The decoder's message on one line, each sentence once. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const lines = message.split('\n').map((line) => line.trim());
  return [...new Set(lines)].filter((line) => line !== '').join('; ');
}

function checkSignature(bytes: Uint8Array, name: string): void {
  const known = SIGNATURES.some(({ at, bytes: sign }) => sign.every((byte, place) => bytes[at + place] === byte));
  if (known) return;
  const found =
    bytes.length === 0 ? 'an empty file' : `first bytes ${Buffer.from(bytes.subarray(0, 8)).toString('hex')}`;
  throw badImage(name, found, [...new Set(SIGNATURES.map((kind) => kind.name))].join(', '));
}

function threeChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  if (channels !== 1) throw new Error(`${channels} channels after conversion to RGB`);
  const output = new Uint8Array(data.length * 3);
  for (let place = 0; place < data.length; place++) output.fill(data[place] as number, place * 3, place * 3 + 3);
  return output;
}
