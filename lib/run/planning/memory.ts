/** The memory of a run, of its configured passes and of what cards of common sizes hold. */

import { extname } from 'node:path';
import { fixedMicroBatch } from '../../config/micro-batch.ts';
import type { RunConfig } from '../../config/schema.ts';
import type { Precision } from '../../engine/precision.ts';
import { tokensPerImage } from '../../model/config.ts';
import { type MemoryEngine, type StepMemory, type StepSettings, stepMemory } from '../../train/memory.ts';
import { type Registry, stageOf } from '../config.ts';
import { modelConfigOf } from '../model-config.ts';
import { type LookedStep, largestPass, type RowShape } from './passes.ts';

/** Gibibytes of common cards. */
const CARDS = [16, 24, 40, 80] as const;
const GIBIBYTE = 2 ** 30;
const PRECISIONS: readonly Precision[] = ['float32', 'bf16'];

/** Bytes of Node.js and this program before an engine is open: resident memory on Linux. Read as TypeScript, modules take more. */
const PROGRAM_BYTES = extname(import.meta.url) === '.ts' ? 220e6 : 140e6;
/**
 * Bytes of an engine before its first tensor: what opening it and a first product add to that. Of a GPU's memory, its context and the
 * workspace of its libraries take the last; an allowance, not measured.
 */
const ENGINE_BYTES = { torch: 155e6, tensorflow: 295e6, cuda: 700e6 } as const;
/** Steps whose pictures are in memory: that which computes, and those that the loader makes ready (data/loader.ts). */
const STEPS_AT_HAND = 4;

/** How many of a run's longest rows one pass may have on a card. */
export interface CardFit {
  gibibytes: number;
  precision: Precision;
  recompute: boolean;
  /** 0: not even one. */
  rows: number;
  /** Of that many rows, or of one where none fits. */
  bytes: number;
}

/** What a run takes, whatever it trains. */
export interface CommonMemory {
  engine: MemoryEngine;
  /** Examples of a pass. */
  microBatch: number;
  tensors: StepMemory;
  /** The program, its libraries and the pictures at hand. */
  process: number;
  /** Most that is resident. */
  total: number;
  cards: CardFit[];
}

/** What a run takes that trains on texts. */
export interface MemoryPlan extends CommonMemory {
  /** The fullest pass: rows of so many tokens. */
  pass: { rows: number; tokens: number; images: number; supervised: number };
  /** Whether steps of the run were looked at; else rows are as long as they may be. */
  looked: boolean;
  /** Peak of the tensors with recompute turned round. */
  otherwise: number;
  /** The longest row, which the fits are counted in. */
  row: RowShape;
}

/** What decides the memory of a run beside the shapes of its passes. */
export function settingsOf(config: RunConfig, registry: Registry, engine: MemoryEngine): StepSettings {
  return {
    model: modelConfigOf(config),
    trainable: config.train.trainable ?? stageOf(config, registry).trains,
    engine,
    recompute: config.train.recompute,
  };
}

/** The engine that a plan reckons with: a plan opens none, so `auto` is torch on the CPU. */
export function plannedEngine({ engine: { backend, device, precision } }: RunConfig): MemoryEngine {
  return {
    backend: backend === 'tensorflow' ? 'tensorflow' : 'torch',
    device: device === 'cuda' ? 'cuda' : 'cpu',
    precision,
  };
}

/** A row of the run that is as long as rows may be, with as many images as it can hold and everything else supervised. */
export function longestRow(config: RunConfig): RowShape {
  const image = tokensPerImage(modelConfigOf(config));
  const { packing, maxTokens } = config.data;
  const tokens = packing?.maxTokens ?? maxTokens;
  const images = packing === undefined ? Math.min(1, Math.floor(tokens / image)) : Math.floor(tokens / (image + 1));
  return { tokens, images, supervised: tokens - images * image, examples: 1 };
}

/**
 * Estimates a run.
 * @param request `steps` that were looked at, else none
 */
export function planMemory(request: {
  config: RunConfig;
  registry: Registry;
  steps: readonly LookedStep[];
  /** Where the file leaves it open. */
  microBatch?: number | undefined;
}): MemoryPlan {
  const { config, registry } = request;
  const steps = request.steps.filter(({ length }) => length > 0);
  const engine = plannedEngine(config);
  const settings = settingsOf(config, registry, engine);
  const { globalBatch } = config.train;
  const microBatch = request.microBatch ?? fixedMicroBatch(config.train) ?? globalBatch;
  const masked = config.data.packing !== undefined;
  const looked = steps.length > 0;
  const longest = looked ? worstRow(steps) : longestRow(config);
  // Without a look at the data nobody knows how many examples share a row: a packed row is a pass. Two passes stand for all.
  const unknown = { ...longest, examples: masked ? microBatch : 1 };
  const alone = Array.from({ length: masked ? 2 : Math.min(globalBatch, 2 * microBatch) }, () => unknown);
  const { pass, memory } = largestPass(settings, { steps: looked ? steps : [alone], microBatch, masked });
  const other = stepMemory({ ...settings, recompute: !settings.recompute }, pass, Math.ceil(globalBatch / microBatch));
  const process = processBytes(config, { engine, images: imagesAtHand(steps, pass.images) });
  const total = residentBytes(engine, { process, tensors: memory.peak });
  return {
    ...{ engine, microBatch, pass, looked, tensors: memory, otherwise: other.peak, process, total, row: longest },
    cards: cardFits(settings, { row: longest, masked }),
  };
}

/** Most that is resident: in main memory beside the program, or on the GPU beside its context. */
export function residentBytes(
  { device }: Pick<MemoryEngine, 'device'>,
  of: { process: number; tensors: number },
): number {
  return of.tensors + (device === 'cpu' ? of.process : ENGINE_BYTES.cuda);
}

/** Bytes of the program with an engine open, before any data and weights. */
export function programAndEngine(backend: MemoryEngine['backend']): number {
  return PROGRAM_BYTES + ENGINE_BYTES[backend];
}

/** Bytes of program, engine and pictures. */
export function processBytes(config: RunConfig, of: { engine: Pick<MemoryEngine, 'backend'>; images: number }): number {
  const picture = 3 * config.model.vision.imageSize ** 2;
  return programAndEngine(of.engine.backend) + STEPS_AT_HAND * of.images * picture;
}

function imagesAtHand(steps: readonly LookedStep[], ofPass: number): number {
  const counts = steps.map((rows) => rows.reduce((sum, { images }) => sum + images, 0));
  return counts.reduce((most, count) => Math.max(most, count), ofPass);
}

/** Of every side of the rows the largest. */
function worstRow(steps: readonly LookedStep[]): RowShape {
  const rows = steps.flat();
  const most = (of: (row: RowShape) => number) => rows.reduce((largest, row) => Math.max(largest, of(row)), 0);
  return {
    tokens: most(({ tokens }) => tokens),
    images: most(({ images }) => images),
    supervised: most(({ supervised }) => supervised),
    examples: most(({ examples }) => examples),
  };
}

/** What each card holds, in both precisions, with and without recompute. */
export function cardFits(settings: StepSettings, { row, masked }: { row: RowShape; masked: boolean }): CardFit[] {
  const ways = PRECISIONS.flatMap((precision) => [false, true].map((recompute) => ({ precision, recompute })));
  return onCards(ways, ({ precision, recompute }, rows) => {
    const engine = { backend: 'torch', device: 'cuda', precision } as const;
    return peakOf({ ...settings, engine, recompute }, { row, masked, rows });
  });
}

/**
 * What each card holds.
 * @param peak bytes of the tensors when so many rows pass at once
 */
export function onCards<Way extends Pick<CardFit, 'precision' | 'recompute'>>(
  ways: readonly Way[],
  peak: (way: Way, rows: number) => number,
): CardFit[] {
  return CARDS.flatMap((gibibytes) =>
    ways.map((way) => {
      const bytesOf = (rows: number) => ENGINE_BYTES.cuda + peak(way, rows);
      const rows = mostThatFits((count) => bytesOf(count) <= gibibytes * GIBIBYTE);
      const { precision, recompute } = way;
      return { gibibytes, precision, recompute, rows, bytes: bytesOf(Math.max(1, rows)) };
    }),
  );
}

/** Two passes: gradients of earlier ones lie beside, as they do in all but the smallest global batches. */
function peakOf(
  settings: StepSettings,
  { row, masked, rows }: { row: RowShape; masked: boolean; rows: number },
): number {
  const { tokens, images, supervised } = row;
  const pass = { rows, tokens, images: rows * images, supervised: rows * supervised, masked };
  return stepMemory(settings, pass, 2).peak;
}

/** Largest count that fits; what is larger needs more. */
export function mostThatFits(fits: (count: number) => boolean): number {
  if (!fits(1)) return 0;
  let low = 1;
  while (low < 2 ** 20 && fits(2 * low)) low *= 2;
  let high = 2 * low;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
