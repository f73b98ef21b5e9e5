/**
 * Scenes of one to three emoji on a coloured ground, drawn on the fly: the project's own data, with exact labels for every task.
 * The icons are Fluent Emoji by Microsoft (MIT licence), flat style, from the npm package `@iconify-json/fluent-emoji-flat`;
 * the notice is in docs/licences.md. Nothing is downloaded.
 */

import { z } from 'zod';
import { TristageError } from '../../lib/core/errors.ts';
import { sha256 } from '../../lib/core/hash.ts';
import type { Sample } from '../../lib/data/sample.ts';
import { defineSource, type OpenSource } from '../../lib/data/source.ts';
import type { Pick, Task } from '../../lib/data/task.ts';
import { type SceneOptions, sceneStream, USE } from './arrangement.ts';
import { type Art, loadArt } from './art.ts';
import { KIND_GROUPS, KINDS } from './kinds.ts';
import { composeScene, type Scene } from './scene.ts';
import { emojiTexts } from './texts.ts';
import { TURN_KINDS, type TurnKind, type TurnOptions, turnOf } from './turns.ts';

const NAME = 'emoji-scenes';
/** Changes when equal options begin to give other scenes or other texts. */
const VERSION = 2;
/** Scenes kept drawn, so that the samples of one are drawn once. */
const KEPT_SCENES = 64;
/** Image side for which the usual sizes are given. */
const USUAL_SIZE = 112;
const USUAL_SIDES = [36, 56] as const;

type KindGroup = keyof typeof KIND_GROUPS;

const count = (most: number) => z.int().min(0).max(most);

const options = z.object({
  split: z
    .enum(['train', 'heldout'])
    .default('train')
    .describe('Which scenes: no arrangement of heldout ever occurs in train, whatever the seeds.'),
  seed: count(2 ** 31)
    .default(0)
    .describe('Other seeds give other scenes.'),
  count: z.int().min(1).max(1e9).default(20000).describe('Number of scenes.'),
  classes: z
    .union([z.enum(Object.keys(KIND_GROUPS) as KindGroup[]), z.array(z.enum(KINDS.map(({ name }) => name))).min(2)])
    .default('quickstart')
    .describe('Kinds of object that scenes show: their names, or a group; wide and unseen share no kind.'),
  imageSize: z.int().min(16).max(2048).default(USUAL_SIZE).describe('Side of the square scene in pixels.'),
  minSide: z.int().min(4).max(2048).optional().describe('Least long side of an object in pixels. Default: 36 of 112.'),
  maxSide: z.int().min(4).max(2048).optional().describe('Greatest long side. Default: 56 of 112.'),
  minObjects: z.int().min(1).max(6).default(1).describe('Fewest objects in a scene.'),
  maxObjects: z.int().min(1).max(6).default(3).describe('Most objects in a scene.'),
  easyFirst: count(1e9)
    .default(0)
    .describe('Over the first so many scenes that are drawn the most grows from minObjects to maxObjects.'),
  repeat: z.number().min(0).max(1).default(0.15).describe('Share of scenes of two or more objects with two of a kind.'),
  turns: z
    .strictObject(Object.fromEntries(TURN_KINDS.map((kind) => [kind, count(16).optional()])))
    .optional()
    .describe(
      'How many turns of each kind to make from one scene; they can share its visual tokens. vqa takes the types of question in turn; a type by its name is always that. Default: one turn of the task.',
    ),
  wording: z
    .enum(['varied', 'evaluation'])
    .optional()
    .describe('Questions from the pool of wordings, or in the one of evaluation. Default: varied in train only.'),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
});

export type EmojiOptions = z.output<typeof options>;

/** Options as scenes need them. */
export interface ResolvedEmoji {
  readonly scene: SceneOptions;
  readonly classes: readonly string[];
  readonly minSide: number;
  readonly maxSide: number;
}

/**
 * Fills in what follows from other options.
 * @throws TristageError E_SOURCE_OPTIONS for options that contradict each other
 */
export function resolveEmoji(given: Partial<EmojiOptions>): ResolvedEmoji {
  const all = options.parse(given);
  const minSide = all.minSide ?? Math.max(4, Math.round((USUAL_SIDES[0] * all.imageSize) / USUAL_SIZE));
  const maxSide = all.maxSide ?? Math.max(minSide, Math.round((USUAL_SIDES[1] * all.imageSize) / USUAL_SIZE));
  const classes = typeof all.classes === 'string' ? KIND_GROUPS[all.classes] : all.classes;
  if (new Set(classes).size < classes.length) throw contradiction('classes: each kind once');
  if (minSide > maxSide) throw contradiction(`minSide ${minSide} is above maxSide ${maxSide}`);
  if (maxSide > all.imageSize) throw contradiction(`maxSide ${maxSide} is above imageSize ${all.imageSize}`);
  if (all.minObjects > all.maxObjects) throw contradiction('minObjects is above maxObjects');
  if (all.maxObjects > classes.length) throw contradiction('maxObjects is above the number of classes');
  const { seed, split, imageSize, minObjects, maxObjects, easyFirst, repeat } = all;
  const scene = { seed, split, imageSize, minObjects, maxObjects, easyFirst, repeat };
  return { scene, classes, minSide, maxSide };
}

function contradiction(message: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_SOURCE_OPTIONS',
    message: `options of source ${NAME}: ${message}`,
  });
}

/** The scenes of a split, any by its index. */
export interface SceneSet {
  readonly art: Art;
  readonly options: SceneOptions;
  /** Scene `index`; scenes asked for lately are kept and returned as the same object. */
  scene(index: number): Scene;
}

/**
 * Opens the scenes alone, without questions.
 * @param given options of the source; absent ones get their defaults
 * @throws TristageError E_SOURCE_OPTIONS for options that contradict each other
 */
export async function openScenes(given: Partial<EmojiOptions> = {}): Promise<SceneSet> {
  const { scene: sceneOptions, ...artOptions } = resolveEmoji(given);
  const art = await loadArt(artOptions);
  const kept = new Map<number, Scene>();
  return {
    art,
    options: sceneOptions,
    scene(index) {
      const scene = kept.get(index) ?? composeScene(art, sceneOptions, index);
      kept.delete(index);
      kept.set(index, scene);
      for (const oldest of kept.keys()) if (kept.size > KEPT_SCENES) kept.delete(oldest);
      return scene;
    },
  };
}

/** The place of a sample within its scene: a kind of turn and how many of this kind stand before it. */
interface Slot {
  kind: TurnKind;
  repeat: number;
}

function slotsOf(turns: EmojiOptions['turns'], task: Task): Slot[] {
  const wanted = turns ?? { [task]: 1 };
  return TURN_KINDS.flatMap((kind) =>
    Array.from({ length: wanted[kind] ?? 0 }, (_, repeat): Slot => ({ kind, repeat })),
  );
}

/** Samples with exact labels; `count` scenes, each with the turns that are asked for. */
export const emojiScenes = defineSource({
  name: NAME,
  summary: 'Scenes of emoji drawn on the fly, with exact labels for every task; needs no files.',
  kind: 'task',
  embedded: true,
  // Beside this file, compiled or not.
  patches: new URL(import.meta.url.endsWith('.ts') ? './open-patches.ts' : './open-patches.js', import.meta.url).href,
  tasks: ['vqa', 'caption', 'grounding', 'refer', 'identify', 'detection', 'conversation'],
  options,
  async open({ root: _, task, ...given }): Promise<OpenSource> {
    const slots = slotsOf(given.turns, task);
    if (slots.length === 0) throw contradiction('turns: at least one turn of a scene');
    const set = await openScenes(given);
    const turnOptions: TurnOptions = {
      rounding: given.rounding,
      wording: given.wording ?? (given.split === 'train' ? 'varied' : 'evaluation'),
    };
    return {
      name: NAME,
      length: given.count * slots.length,
      samplesPerImage: slots.length,
      // A scene is as different from the next as from any other, so only the growth of scenes asks for an order.
      ...(given.easyFirst > 0 ? { inOrder: true } : {}),
      fingerprint: sha256(JSON.stringify([NAME, VERSION, given.count, resolveEmoji(given), slots, turnOptions])),
      notes: [],
      texts: () => emojiTexts(set.art.kinds),
      get: async (index, pick) => {
        const slot = slots[index % slots.length];
        if (slot === undefined || index >= given.count * slots.length) throw new RangeError(`${NAME} has no ${index}`);
        return sampleOf(set, { index, scene: Math.floor(index / slots.length), slot, options: turnOptions, pick });
      },
    };
  },
});

function sampleOf(
  set: SceneSet,
  request: { index: number; scene: number; slot: Slot; options: TurnOptions; pick: Pick },
): Sample {
  const { slot, scene: number } = request;
  const scene = set.scene(number);
  const random = sceneStream(set.options, number, USE.question).child(TURN_KINDS.indexOf(slot.kind));
  const own = random.child(slot.repeat);
  let draws = 0;
  const made = turnOf({
    scene,
    kinds: set.art.kinds,
    kind: slot.kind,
    place: random.uint32(0) + slot.repeat,
    draw: (bound) => own.integer(draws++, bound),
    options: request.options,
    pick: request.pick,
  });
  const id = `${scene.split}/${number}/${slot.kind}${slot.repeat === 0 ? '' : `-${slot.repeat + 1}`}`;
  return { id, source: NAME, image: scene.image, ...made };
}
