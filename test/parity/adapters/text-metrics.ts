/** Fixture folder `text-metrics`: VQA and RefCOCO decisions and the cleaning of texts, all exact. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanText } from '../../../lib/data/text-clean.ts';
import { scoreBoxAsReference } from '../../../lib/eval/metrics/refcoco.ts';
import {
  overallAccuracy,
  questionAccuracy,
  vizwizAccuracy,
  vqaAccuracy,
  vqaAccuracyLavis,
} from '../../../lib/eval/metrics/vqa.ts';
import { normalisePunctuation, normaliseWords } from '../../../lib/eval/metrics/vqa-normalise.ts';
import type { ParityResult } from '../result.ts';

interface VqaFixture {
  overall_accuracy: number;
  overall_accuracy_lavis_copy: number;
  items: { prediction: string; answers: string[]; acc: number; acc_lavis_copy: number; vizwiz_acc: number }[];
  normalise: { in: string; punct: string; punct_digit_article: string }[];
}

interface BoxItem {
  prediction: string;
  bbox_xywh: [number, number, number, number];
  width: number;
  height: number;
  res: number;
  cleaned: string;
  pattern_ok: boolean;
  correct: boolean;
  iou: number | null;
  forced_correct: boolean;
  forced_iou: number | null;
}

interface CleanFixture {
  default: { prompt: string; max_words: number };
  other: { prompt: string; max_words: number };
  items: { in: string; default: string; other: string }[];
}

/** Overlaps are ratios of doubles; only the order of operations may differ. */
const IOU_LIMIT = 1e-12;

/**
 * Compares every recorded decision.
 * @param dir a fixture folder of this format
 */
export async function run(dir: string): Promise<ParityResult[]> {
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(dir, name), 'utf8'));
  const vqa = (await read('vqa.json')) as VqaFixture;
  const boxes = ((await read('refcoco.json')) as { items: BoxItem[] }).items;
  return [
    ...vqaResults(vqa),
    refcocoResult(boxes),
    cleanResult((await read('caption_processor.json')) as CleanFixture),
  ];
}

function vqaResults({ items, normalise, ...overall }: VqaFixture): ParityResult[] {
  const official = items.map(vqaAccuracy);
  const lavis = items.map(vqaAccuracyLavis);
  const vizwiz = items.map(vizwizAccuracy);
  return [
    exact(
      'vqa.acc',
      official.map(questionAccuracy),
      items.map((item) => item.acc),
    ),
    exact(
      'vqa.acc_lavis_copy',
      lavis.map(questionAccuracy),
      items.map((item) => item.acc_lavis_copy),
    ),
    exact(
      'vqa.vizwiz_acc',
      vizwiz,
      items.map((item) => item.vizwiz_acc),
    ),
    exact('vqa.overall_accuracy', [overallAccuracy(official)], [overall.overall_accuracy]),
    exact('vqa.overall_accuracy_lavis_copy', [overallAccuracy(lavis)], [overall.overall_accuracy_lavis_copy]),
    exact(
      'vqa.normalise.punct',
      normalise.map((item) => normalisePunctuation(item.in)),
      normalise.map((item) => item.punct),
    ),
    exact(
      'vqa.normalise.punct_digit_article',
      normalise.map((item) => normaliseWords(normalisePunctuation(item.in))),
      normalise.map((item) => item.punct_digit_article),
    ),
  ];
}

function refcocoResult(items: readonly BoxItem[]): ParityResult {
  const found = items.map((item) => {
    const request = {
      prediction: item.prediction,
      bbox: item.bbox_xywh,
      size: { width: item.width, height: item.height },
      resolution: item.res,
    };
    const plain = scoreBoxAsReference(request);
    const forced = scoreBoxAsReference({ ...request, forced: true });
    const decisions = [plain.cleaned, plain.patternOk, plain.correct, forced.correct];
    return [...decisions, sameIou(plain.iou, item.iou), sameIou(forced.iou, item.forced_iou)];
  });
  const expected = items.map((item) => [item.cleaned, item.pattern_ok, item.correct, item.forced_correct, true, true]);
  return exact('refcoco', found, expected);
}

function sameIou(found: number | undefined, expected: number | null): boolean {
  return found === undefined || expected === null
    ? found === undefined && expected === null
    : Math.abs(found - expected) <= IOU_LIMIT;
}

function cleanResult({ items, ...settings }: CleanFixture): ParityResult {
  const clean = (text: string, key: 'default' | 'other'): string =>
    cleanText(text, { prompt: settings[key].prompt, maxWords: settings[key].max_words });
  return exact(
    'caption_processor',
    items.map((item) => [clean(item.in, 'default'), clean(item.in, 'other')]),
    items.map((item) => [item.default, item.other]),
  );
}

function exact(name: string, found: readonly unknown[], expected: readonly unknown[]): ParityResult {
  const wrong = expected.findIndex((value, place) => JSON.stringify(value) !== JSON.stringify(found[place]));
  const ok = expected.length > 0 && found.length === expected.length && wrong === -1;
  const detail = ok
    ? `${expected.length} exact`
    : `item ${wrong}: ${JSON.stringify(found[wrong])}, expected ${JSON.stringify(expected[wrong])}`;
  return { name: `text-metrics/${name}`, ok, detail };
}
