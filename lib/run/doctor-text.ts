/** The report of `tristage doctor` as text. */

import type { DoctorReport, EngineCheck, Finding } from './doctor.ts';

/** Colours a piece of text by what it means; the default leaves it plain. */
export type DoctorPaint = (meaning: 'good' | 'bad' | 'note', text: string) => string;

const LABEL_WIDTH = 12;

function line(label: string, value: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${value}`;
}

function engineLines(check: EngineCheck, paint: DoctorPaint): string[] {
  if (!check.works) return [line(check.name, `${paint('bad', 'not usable')}  ${check.code}: ${check.reason}`)];
  const { version, device, threads, gflops, stepMs, dir } = check;
  const figures = `matmul ${gflops.toFixed(0)} GFLOP/s, small training step ${stepMs.toFixed(1)} ms`;
  return [
    line(check.name, `${paint('good', 'works')}  ${version} on ${device}, ${threads} threads, ${figures}`),
    line('', dir),
  ];
}

function findingLines({ level, finding, cure }: Finding, paint: DoctorPaint): string[] {
  return [`${paint(level === 'problem' ? 'bad' : 'note', level)}: ${finding}`, `  cure: ${cure}`];
}

/** @returns lines joined by newline */
export function renderDoctor(report: DoctorReport, paint: DoctorPaint = (_, text) => text): string {
  const { platform, processors, compiler, pip, images, engines, findings } = report;
  const support = platform.tested ? paint('good', 'tested') : paint('note', 'not tested');
  const node = platform.nodeSupported ? paint('good', 'supported') : paint('bad', 'not supported');
  return [
    line('platform', `${platform.system} ${platform.arch}  ${support}`),
    line('node', `${platform.node}  ${node}`),
    line('processors', `${processors}${report.nvidia ? ', NVIDIA driver loaded' : ''}`),
    line('compiler', compiler === null ? paint('bad', 'none') : `${compiler.path}  ${compiler.version}`),
    line('pip', pip === null ? paint('note', 'none') : `${pip.version} of ${pip.python}`),
    line('cache', report.cache),
    ...engines.flatMap((check) => engineLines(check, paint)),
    line('auto', report.auto === null ? paint('bad', 'no engine') : `${report.auto}, the first that works`),
    line(
      'images',
      `sharp ${images.sharp} (libvips ${images.libvips}): ${images.images} images at once, ${images.threads} threads each`,
    ),
    ...findings.flatMap((finding) => findingLines(finding, paint)),
    report.ok ? paint('good', 'ready to train') : paint('bad', 'not ready to train'),
  ].join('\n');
}
