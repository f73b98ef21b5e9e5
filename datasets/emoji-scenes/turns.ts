/** From a scene to typed samples: each kind of turn is one function, its truth beside it. */

import { type BoxRounding, formatBox, formatPhrase } from '../../lib/data/boxes.ts';
import { badSample, type Sample, type Truth, type Turn } from '../../lib/data/sample.ts';
import {
  drawInstruction,
  evaluationInstruction,
  type IdentifiedTask,
  type Pick,
  type Task,
} from '../../lib/data/task.ts';
import { captionOf, expressionOf, groupsOf, joinList, leftToRight, withArticle } from './language.ts';
import type { SceneThing } from './scene.ts';
import { type AskAbout, askQuestion, inTurn, QUESTION_TYPES, type QuestionType } from './visual-questions.ts';

/** What can be asked of a scene: a task, or [vqa] with one type of question. */
export type TurnKind = Exclude<Task, 'text'> | QuestionType;

export const TURN_KINDS: readonly TurnKind[] = [
  'caption',
  'refer',
  'identify',
  'detection',
  'grounding',
  'vqa',
  'conversation',
  ...QUESTION_TYPES,
];

/** How questions and boxes are written. */
export interface TurnOptions {
  readonly rounding: BoxRounding;
  /** `varied` draws from the pool of the task, `evaluation` takes the one wording of evaluation. */
  readonly wording: 'varied' | 'evaluation';
}

/** What a turn is made from. */
export interface TurnRequest extends AskAbout {
  readonly kind: TurnKind;
  readonly options: TurnOptions;
  /** Draws the wording. */
  readonly pick: Pick;
}

/** A sample without its identity. */
export type TurnSample = Required<globalThis.Pick<Sample, 'task' | 'turns' | 'boxes' | 'truth'>>;

/** The task that a kind of turn belongs to. */
export function taskOfTurn(kind: TurnKind): Task {
  return (QUESTION_TYPES as readonly string[]).includes(kind) ? 'vqa' : (kind as Task);
}

/** One sample of a scene. */
export function turnOf(request: TurnRequest): TurnSample {
  switch (request.kind) {
    case 'caption':
      return sampleOf(request, { task: 'caption', turns: [say(request, 'caption', '', captionOf(request.scene))] });
    case 'refer':
      return referTurn(request);
    case 'identify':
      return identifyTurn(request);
    case 'detection':
      return detectionTurn(request);
    case 'grounding':
      return groundingTurn(request);
    case 'conversation':
      return conversationTurns(request);
    default:
      return visualQuestion(request, request.kind === 'vqa' ? undefined : request.kind);
  }
}

/** One turn in the words of a task. */
function say({ options, pick }: TurnRequest, task: IdentifiedTask, content: string, answer: string): Turn {
  const question =
    options.wording === 'varied' ? drawInstruction(task, content, pick) : evaluationInstruction(task, content);
  return { question, answer };
}

function sampleOf(
  { scene }: TurnRequest,
  made: { task: Task; turns: Turn[]; things?: readonly SceneThing[]; truth?: Partial<Truth> },
): TurnSample {
  const objects = scene.objects.map(({ name, box }) => ({ name, box }));
  return {
    task: made.task,
    turns: made.turns,
    boxes: (made.things ?? []).map(({ box }) => box),
    truth: { objects, ...made.truth },
  };
}

/** An object with an expression that fits it alone. */
function pointAt({ scene, place }: TurnRequest): { thing: SceneThing; expression: string } {
  const possible = scene.objects.flatMap((thing) => {
    const expression = expressionOf(scene, thing);
    return expression === undefined ? [] : [{ thing, expression }];
  });
  if (possible.length > 0) return inTurn(possible, place);
  const found = `${scene.objects.length} objects too near each other to tell apart`;
  throw badSample({ id: scene.image.name, source: 'emoji-scenes' }, found, 'an object that words can point at');
}

function referTurn(request: TurnRequest): TurnSample {
  const { thing, expression } = pointAt(request);
  const turn = say(request, 'refer', expression, formatBox(thing.box, request.options.rounding));
  return sampleOf(request, { task: 'refer', turns: [turn], things: [thing], truth: { target: thing.box } });
}

function identifyTurn(request: TurnRequest): TurnSample {
  const thing = inTurn(request.scene.objects, request.place);
  const turn = say(request, 'identify', formatBox(thing.box, request.options.rounding), thing.name);
  return sampleOf(request, { task: 'identify', turns: [turn], things: [thing] });
}

function detectionTurn(request: TurnRequest): TurnSample {
  const { name, things } = inTurn(groupsOf(request.scene), request.place);
  const boxes = things.map(({ box }) => box);
  const turn = say(request, 'detection', name, formatPhrase(name, boxes, request.options.rounding));
  return sampleOf(request, { task: 'detection', turns: [turn], things });
}

/** The caption object by object, each phrase with its box; the second of a kind is `another`. */
function groundingTurn(request: TurnRequest): TurnSample {
  const { scene, options } = request;
  const things = leftToRight(scene.objects);
  const phrases = things.map((thing, place) => {
    const before = things.slice(0, place).some(({ name }) => name === thing.name);
    return formatPhrase(before ? `another ${thing.name}` : withArticle(thing.name), [thing.box], options.rounding);
  });
  const answer = `${joinList(phrases)} on ${withArticle(scene.background)} background`;
  return sampleOf(request, { task: 'grounding', turns: [say(request, 'grounding', '', answer)], things });
}

function visualQuestion(request: TurnRequest, type?: QuestionType): TurnSample {
  const asked = askQuestion(request, type);
  const turn = say(request, 'vqa', asked.question, asked.answer);
  return sampleOf(request, { task: 'vqa', turns: [turn], truth: { questionType: asked.type } });
}

/** Ways to begin a conversation. */
export const OPENINGS = [
  'What is in this picture?',
  'What can you see here?',
  'Tell me what this picture shows.',
] as const;

/** A free question, a short one without identifier, and one with [refer], as multi-task conversations mix them. */
function conversationTurns(request: TurnRequest): TurnSample {
  const { scene, options, pick } = request;
  const opening = OPENINGS[options.wording === 'varied' ? pick(OPENINGS.length) : 0] as string;
  const asked = askQuestion(request);
  const { thing, expression } = pointAt(request);
  const turns = [
    { question: opening, answer: captionOf(scene) },
    { question: asked.question, answer: asked.answer },
    say(request, 'refer', expression, formatBox(thing.box, options.rounding)),
  ];
  const truth = { target: thing.box, questionType: asked.type };
  return sampleOf(request, { task: 'conversation', turns, things: [thing], truth });
}
