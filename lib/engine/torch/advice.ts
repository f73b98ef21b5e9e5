/** What about this machine's torch makes it slow, and the cure. Read by `tristage doctor`. */

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { TorchInstall } from './find.ts';

export interface Advice {
  /** What was found. */
  finding: string;
  /** The command or change that cures it. */
  cure: string;
}

const DEBIAN_LIB = '/usr/lib/x86_64-linux-gnu';
const INSTALL_OPENMP = 'apt-get install libopenblas0-openmp';

/** The BLAS that Debian's torch uses: the target of the libblas alternative. */
function debianBlas(libDir: string): string | undefined {
  const link = join(libDir, 'libblas.so.3');
  return existsSync(link) ? realpathSync(link) : undefined;
}

/**
 * Warnings about the libtorch that an install would use.
 * @param install only Debian's build takes its BLAS from the system; wheels bring their own
 */
export function torchAdvice(install: Pick<TorchInstall, 'libDir'>): Advice[] {
  // Under another root (tests) the folder keeps Debian's name for the architecture.
  if (!install.libDir.endsWith(DEBIAN_LIB)) return [];
  const blas = debianBlas(install.libDir);
  if (blas === undefined) {
    return [{ finding: 'libtorch finds no BLAS', cure: INSTALL_OPENMP }];
  }
  if (blas.includes('openblas-openmp')) return [];
  if (blas.includes('openblas-pthread')) {
    const both = existsSync(join(install.libDir, 'openblas-openmp'));
    return [
      {
        finding:
          'OpenBLAS runs its own threads beside those of libtorch: both pools compete for the processors (about half the speed)',
        cure: both
          ? `update-alternatives --set libblas.so.3-x86_64-linux-gnu ${DEBIAN_LIB}/openblas-openmp/libblas.so.3, or apt-get remove libopenblas0-pthread`
          : `${INSTALL_OPENMP} && apt-get remove libopenblas0-pthread`,
      },
    ];
  }
  if (blas.includes('openblas-serial')) {
    return [{ finding: 'OpenBLAS computes with one thread', cure: INSTALL_OPENMP }];
  }
  if (/mkl|blis|atlas/.test(blas)) return [];
  return [{ finding: `no OpenBLAS: ${blas} computes about 3 GFLOP/s`, cure: INSTALL_OPENMP }];
}
