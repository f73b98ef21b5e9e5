/** Made-up runs for tests of the page. */

import type { RunEvent, StepEvent } from '../../../../lib/report/events.ts';
import type { Estimate, Gallery, ReportedRun } from '../../../../lib/report/html/report.ts';

/** A loss that falls from 6 towards 0.5. */
export function stepEvent(step: number, change: Partial<StepEvent> = {}): StepEvent {
  const loss = 0.5 + 5.5 / step;
  return {
    event: 'step',
    step,
    loss,
    lr: 1e-3 / step,
    gradNorm: 1,
    tasks: { refer: { loss, tokens: 40 }, caption: { loss: loss / 2, tokens: 20 } },
    tokens: 60,
    samplesPerSecond: 100 + step,
    dataWait: 0.01,
    seconds: 0.5,
    residentBytes: 2 ** 30,
    ...change,
  };
}

export function steps(count: number): RunEvent[] {
  return [
    { event: 'start', step: 0, resumed: false, engine: 'torch', device: 'cpu' },
    ...Array.from({ length: count }, (_, place) => stepEvent(place + 1)),
    { event: 'end', step: count, seconds: count / 2 },
  ];
}

export function estimate(value: number, half = 0.05): Estimate {
  return { value, n: 100, low: Math.max(0, value - half), high: Math.min(1, value + half) };
}

/** A finished run of 40 steps that was evaluated. */
export function reportedRun(change: Partial<ReportedRun> = {}): ReportedRun {
  return {
    name: 'stage1',
    stage: 'stage1-pretrain',
    folder: 'runs/stage1',
    finished: true,
    step: 40,
    steps: 40,
    seconds: 20,
    samplesPerSecond: 120,
    events: steps(40),
    mixture: [
      line({
        source: 'laion',
        task: 'caption',
        planned: 0.25,
        samples: 100,
        tokens: 900,
        tasks: { caption: { samples: 100, tokens: 900 } },
      }),
      line({
        source: 'emoji-scenes',
        task: 'refer',
        planned: 0.75,
        samples: 300,
        tokens: 1500,
        tasks: { refer: { samples: 200, tokens: 1000 }, vqa: { samples: 100, tokens: 500 } },
      }),
    ],
    evaluation: {
      step: 40,
      origin: 'evaluation',
      model: { refer: estimate(0.6), 'refer.meanIou': estimate(0.5), caption: estimate(0.9) },
      controls: {
        chance: { refer: estimate(0.1), caption: estimate(0.4) },
        untrained: { refer: estimate(0) },
        shuffled: { refer: estimate(0.1) },
      },
    },
    facts: [
      ['tristage', '0.1.0'],
      ['engine', 'torch 2.15.0 on cpu, 2 threads'],
    ],
    config: 'version: 1\nname: stage1\n',
    settings: new Map([
      ['name', 'stage1'],
      ['train.steps', '40'],
    ]),
    warnings: [],
    ...change,
  };
}

function line(
  given: Omit<ReportedRun['mixture'][number], 'sampleShare' | 'tokenShare'>,
): ReportedRun['mixture'][number] {
  return { ...given, sampleShare: given.samples / 400, tokenShare: given.tokens / 2400 };
}

/** One white pixel. */
const PIXEL = 'data:image/webp;base64,UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAfQ//73v/+BiOh/AAA=';

/** One scene with a question about boxes and one about words. */
export function gallery(change: Partial<Gallery> = {}): Gallery {
  return {
    answeredBy: ['stage1'],
    scenes: [
      {
        id: 'heldout/7',
        source: 'emoji-scenes',
        image: { uri: PIXEL, width: 1, height: 1 },
        questions: [
          {
            task: 'refer',
            question: '[refer] give me the location of left car',
            reference: '{<2><61><48><92>}',
            truth: [{ name: '', box: [0.02, 0.61, 0.48, 0.92] }],
            answers: [
              {
                text: '{<2><50><41><86>}',
                boxes: [{ name: '', box: [0.02, 0.5, 0.41, 0.86] }],
                score: 0,
                note: 'IoU 0.49',
              },
            ],
          },
          {
            task: 'vqa',
            question: '[vqa] is there a car?',
            reference: 'yes',
            truth: [],
            answers: [{ text: 'yes', boxes: [], score: 1 }],
          },
        ],
      },
    ],
    notes: [],
    ...change,
  };
}
