/** VQAv2, OK-VQA and A-OKVQA in miniature, as published: ten answers for each question. */

import { COCO_PHOTOS, type CocoPhoto, cocoFileName, makeCocoPhotos } from './coco-photos.ts';
import { picture, writeFiles } from './shapes.ts';

const PEOPLE = 10;
/** How many of the ten give the common answer. */
const AGREE = 7;

interface Asked {
  question: string;
  answer: string;
  /** What the others say. */
  other: string;
  kind: 'yes/no' | 'number' | 'other';
}

/** What is asked about a photo. */
export function askedAbout({ n }: CocoPhoto): Asked[] {
  const [left, right] = picture(n).things;
  return [
    {
      question: `What colour is the ${right.shape}?`,
      answer: right.colour,
      other: `${right.colour} paint`,
      kind: 'other',
    },
    { question: `Is there a ${left.shape}?`, answer: 'yes', other: 'no', kind: 'yes/no' },
    { question: 'How many shapes are there?', answer: '2', other: '2.5', kind: 'number' },
  ];
}

function answersOf({ answer, other }: Asked) {
  return Array.from({ length: PEOPLE }, (_, person) => ({
    answer: person < PEOPLE - AGREE ? other : answer,
    answer_confidence: 'yes',
    answer_id: person + 1,
  }));
}

/** The two files of a part, as the VQA challenge publishes them. */
export function officialVqa(split: 'train' | 'val', type: (asked: Asked) => string) {
  const rows = COCO_PHOTOS.filter((photo) => photo.split === split).flatMap((photo) =>
    askedAbout(photo).map((asked, place) => ({ photo, asked, id: photo.id * 1000 + place })),
  );
  const head = { info: {}, license: {}, data_type: 'mscoco', data_subtype: `${split}2014` };
  const questions = rows.map(({ photo, asked, id }) => ({
    image_id: photo.id,
    question: asked.question,
    question_id: id,
  }));
  const annotations = rows.map(({ photo, asked, id }) => ({
    question_type: type(asked),
    multiple_choice_answer: asked.answer,
    answers: answersOf(asked),
    image_id: photo.id,
    answer_type: asked.kind,
    question_id: id,
  }));
  return { questions: { ...head, task_type: 'Open-Ended', questions }, annotations: { ...head, annotations } };
}

/** The joined list of a part, as LAVIS circulates it. */
export function joinedVqa(split: 'train' | 'val') {
  return COCO_PHOTOS.filter((photo) => photo.split === split).flatMap((photo) =>
    askedAbout(photo).map((asked, place) => ({
      question_id: photo.id * 1000 + place,
      question: asked.question,
      answer: answersOf(asked).map(({ answer }) => answer),
      image: `${split}2014/${cocoFileName(photo, 2014)}`,
      dataset: 'vqa',
    })),
  );
}

/**
 * @param dir folder of the annotations
 * @param photos folder of COCO
 */
export async function makeVqav2(dir: string, photos: string = dir): Promise<void> {
  for (const split of ['train', 'val'] as const) {
    const { questions, annotations } = officialVqa(split, ({ question }) =>
      question.toLowerCase().split(' ').slice(0, 2).join(' '),
    );
    await writeFiles(dir, {
      [`v2_OpenEnded_mscoco_${split}2014_questions.json`]: questions,
      [`v2_mscoco_${split}2014_annotations.json`]: annotations,
    });
  }
  await makeCocoPhotos(photos);
}

/** Parameters as `makeVqav2`. */
export async function makeOkvqa(dir: string, photos: string = dir): Promise<void> {
  for (const split of ['train', 'val'] as const) {
    const { questions, annotations } = officialVqa(split, () => 'four');
    await writeFiles(dir, {
      [`OpenEnded_mscoco_${split}2014_questions.json`]: questions,
      [`mscoco_${split}2014_annotations.json`]: annotations,
    });
  }
  await makeCocoPhotos(photos);
}

/** Parameters as `makeVqav2`. */
export async function makeAokvqa(dir: string, photos: string = dir): Promise<void> {
  for (const split of ['train', 'val'] as const) {
    const rows = COCO_PHOTOS.filter((photo) => photo.split === split).flatMap((photo) =>
      askedAbout(photo)
        .filter(({ kind }) => kind === 'other')
        .map((asked, place) => ({
          split,
          image_id: photo.id,
          question_id: `mini${String(photo.id * 10 + place).padStart(18, '0')}`,
          question: asked.question,
          choices: ['plaid', asked.answer, 'none', 'two'],
          correct_choice_idx: 1,
          direct_answers: answersOf(asked).map(({ answer }) => answer),
          difficult_direct_answer: false,
          rationales: [`It is ${asked.answer}.`, 'It can be seen.', 'It is so.'],
        })),
    );
    await writeFiles(dir, { [`aokvqa_v1p0_${split}.json`]: rows });
  }
  await makeCocoPhotos(photos, 2017);
}
