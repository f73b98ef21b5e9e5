/** Which versions of the C and C++ libraries a binary asks for. */
import { runCommand } from '../../lib/engine/toolchain.ts';

/** Newest symbol version of each kind that a host of the archive has: glibc 2.28, and the libstdc++ of GCC 8 beside it. */
export const FLOOR: Readonly<Record<string, string>> = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

/** @returns whether version `a` is newer than `b` */
function isNewer(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Newest version of each kind in what `objdump -p` prints, such as `GLIBC -> 2.27`. */
export function newestVersions(objdump: string): Map<string, string> {
  const newest = new Map<string, string>();
  const references = objdump.split('Version References:')[1] ?? '';
  for (const [, kind = '', version = ''] of references.matchAll(/\b(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)$/gm)) {
    const known = newest.get(kind);
    if (known === undefined || isNewer(version, known)) newest.set(kind, version);
  }
  return newest;
}

/** Kinds of which more is asked than the floor gives, such as `GLIBC 2.34, the floor is 2.28`. */
export function aboveFloor(versions: ReadonlyMap<string, string>): string[] {
  return [...versions]
    .filter(([kind, version]) => isNewer(version, FLOOR[kind]!))
    .map(([kind, version]) => `${kind} ${version}, the floor is ${FLOOR[kind]}`);
}

/**
 * Versions that a binary asks for.
 * @throws Error when binutils' objdump is missing or the file is no binary
 */
export async function versionsOf(path: string): Promise<Map<string, string>> {
  const { status, stdout, stderr } = await runCommand('objdump', ['-p', path]);
  const versions = newestVersions(stdout);
  if (status !== 0 || versions.size === 0) throw new Error(`objdump tells nothing of ${path}: ${stderr.trim()}`);
  return versions;
}
