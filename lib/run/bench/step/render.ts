/** The report of `tristage bench step` as lines for a terminal. */
import type { StepBenchReport, StepSide } from './index.ts';

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function sideLine(name: string, { seconds, peakBytes, threads, ...side }: StepSide): string {
  return (
    `  ${name.padEnd(8)} ${seconds.median.toFixed(2)} s (${seconds.min.toFixed(2)}-${seconds.max.toFixed(2)})` +
    `  ${side.samplesPerSecond.toFixed(2)} samples/s  ${side.supervisedTokensPerSecond.toFixed(1)} supervised tokens/s` +
    `  peak memory ${(peakBytes / 2 ** 30).toFixed(2)} GiB  ${percent(side.peakShare)} of peak FLOP/s  ${threads} threads`
  );
}

/** Two lines for the sides of each case, under one that compares them. */
export function renderSteps({ threads, rounds, peakFlops, cases }: StepBenchReport): string {
  const lines = [
    `${threads} threads, ${rounds} rounds, A B A B; speed = our samples/s / theirs, memory = ours / theirs; cpu = theirs / ours in user and system time; PyTorch always computes as the reference recipe does`,
    `largest matrix product of this run: ${(peakFlops / 1e9).toFixed(0)} GFLOP/s`,
  ];
  for (const { name, library, torch, speed, cpu, memory, work, ours, theirs, ...found } of cases) {
    lines.push(
      `${name.padEnd(16)} speed ${speed.ratio.toFixed(2)} (${speed.spread.min.toFixed(2)}-${speed.spread.max.toFixed(2)})  cpu ${cpu.ratio.toFixed(2)}  memory ${memory.ratio.toFixed(2)}` +
        `  losses within ${found.lossDifference.toExponential(1)}, of samples ${found.sampleLossDifference.toExponential(1)}` +
        `  ${work.samples} samples of ${work.images} images, ${work.supervisedTokens} supervised tokens, ${work.oursTokens} places against ${work.theirsTokens}  [${library} / PyTorch ${torch}]`,
      sideLine('ours', ours),
      sideLine('PyTorch', theirs),
    );
  }
  return lines.join('\n');
}
