/**
 * Tasks, their identifiers, and the pools of instructions from which training draws one at each access.
 * The pools and identifiers are MiniGPT-v2's wire protocol; the caption pool is worded here (any similar wording trains alike).
 */

/** What a sample asks for. The first six have an identifier in brackets at the head of the question. */
export type Task = 'vqa' | 'caption' | 'grounding' | 'refer' | 'identify' | 'detection' | 'conversation' | 'text';

export const TASKS: readonly Task[] = [
  'vqa',
  'caption',
  'grounding',
  'refer',
  'identify',
  'detection',
  'conversation',
  'text',
];

/** The tasks whose question starts with `[name]`. */
export type IdentifiedTask = Exclude<Task, 'conversation' | 'text'>;

/** Draws an integer in [0, bound); successive calls give successive draws of one deterministic stream. */
export type Pick = (bound: number) => number;

/** The place of the question, phrase, box or text within an instruction. */
const SLOT = '{}';

const TEMPLATES: Readonly<Record<IdentifiedTask, readonly string[]>> = {
  refer: [
    '{}',
    'give me the location of {}',
    'where is {} ?',
    'from this image, tell me the location of {}',
    'the location of {} is',
    'could you tell me the location for {} ?',
    'where can I locate the {} ?',
  ],
  identify: [
    '{}',
    'what object is in this location {}',
    'identify the object present at this location {}',
    'what is it in {}',
    'describe this object in {}',
    'this {} is',
    'the object in {} is',
  ],
  vqa: ['{}', 'Based on the image, respond to this question with a short answer: {}'],
  caption: [
    'Describe this photo in one short sentence.',
    'Give a brief account of what the picture shows.',
    'Summarise the image in few words.',
    'Sum up this picture concisely.',
    'Depict the scene briefly.',
    'State shortly what can be seen here.',
    'A short caption for this image:',
    'A brief description of the photo:',
    'A picture of',
    'This image shows',
    'Write a short description of the image.',
    'Provide a short account of the photo.',
    'Write one line about this picture.',
    'Provide a caption for the photo.',
    'Could you say in a few words what is in the picture?',
    'Can you tell me briefly what this image contains?',
    'Use only a few words to describe the photo.',
  ],
  grounding: [
    'please describe this image in detail',
    'describe this image as detailed as possible',
    'summarise this image in detail',
    'give a thorough description of this image',
  ],
  detection: ['{}'],
};

/** The one wording that evaluation uses, so that figures do not depend on a draw. */
const EVALUATION: Readonly<Record<IdentifiedTask, string>> = {
  refer: 'give me the location of {}',
  identify: 'what object is in this location {}',
  vqa: 'Based on the image, respond to this question with a short answer: {}',
  caption: 'please describe this image?',
  grounding: 'describe this image in detail',
  detection: '{}',
};

/** True for a task whose questions carry an identifier. */
export function isIdentified(task: Task): task is IdentifiedTask {
  return task !== 'conversation' && task !== 'text';
}

/** The identifier as it stands in a prompt, `[refer]`; empty for conversation and text. */
export function taskIdentifier(task: Task): string {
  return isIdentified(task) ? `[${task}]` : '';
}

/** The wordings of a task, without identifier; `{}` marks where the content goes (captions and grounding have none). */
export function templatePool(task: IdentifiedTask): readonly string[] {
  return TEMPLATES[task];
}

/**
 * A training instruction: identifier, one space, a drawn wording around the content.
 * @param content question, expression, box text or phrase; ignored by caption and grounding
 * @param pick draws the wording
 */
export function drawInstruction(task: IdentifiedTask, content: string, pick: Pick): string {
  const pool = TEMPLATES[task];
  return fill(task, pool[pick(pool.length)] as string, content);
}

/**
 * What a training instruction asks about: its content without identifier and wording, nothing where the wording takes none, all of it
 * where it is worded otherwise.
 */
export function contentOfInstruction(question: string): string {
  const [, name = '', text = question] = /^\[(\w+)\] (.*)$/s.exec(question) ?? [];
  const task = Object.keys(TEMPLATES).find((own): own is IdentifiedTask => own === name);
  if (task === undefined) return question;
  const wordings = [...TEMPLATES[task]].sort((a, b) => b.length - a.length);
  for (const wording of wordings) {
    const [before = '', after] = wording.split(SLOT);
    if (text === wording && after === undefined) return '';
    if (after === undefined) continue;
    const fits = text.length > before.length + after.length && text.startsWith(before) && text.endsWith(after);
    if (fits) return text.slice(before.length, text.length - after.length);
  }
  return text;
}

/**
 * The instruction that evaluation and prediction use.
 * @param content as for `drawInstruction`
 */
export function evaluationInstruction(task: IdentifiedTask, content: string): string {
  return fill(task, EVALUATION[task], content);
}

function fill(task: IdentifiedTask, template: string, content: string): string {
  // A function as replacement: `$&` and the like in the content are plain text.
  return `[${task}] ${template.replace(SLOT, () => content)}`;
}
