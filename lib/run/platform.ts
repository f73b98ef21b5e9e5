/** What of this machine matters to the project: system, processor, Node.js, and whether they are tested. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/paths.ts';

export interface Platform {
  system: string;
  arch: string;
  node: string;
  /** Linux on x86-64. */
  tested: boolean;
  nodeSupported: boolean;
}

/** Whether a Node.js version satisfies ranges such as `^20.19.0 || >=22.12.0` (the only two operators used here). */
export function satisfies(version: string, ranges: string): boolean {
  const numbers = (text: string) => text.split('.').map(Number);
  const [major = 0, minor = 0, patch = 0] = numbers(version.replace(/^v/, ''));
  return ranges.split('||').some((range) => {
    const [, operator, wanted] = /^\s*(\^|>=)(\d+\.\d+\.\d+)\s*$/.exec(range) ?? [];
    if (wanted === undefined) return false;
    const [a = 0, b = 0, c = 0] = numbers(wanted);
    const atLeast = major !== a ? major > a : minor !== b ? minor > b : patch >= c;
    return atLeast && (operator === '>=' || major === a);
  });
}

/** This machine. */
export function thisPlatform(): Platform {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  return {
    system: process.platform,
    arch: process.arch,
    node: process.version,
    tested: process.platform === 'linux' && process.arch === 'x64',
    nodeSupported: satisfies(process.version, manifest.engines.node),
  };
}
