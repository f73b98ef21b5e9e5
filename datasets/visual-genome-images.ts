/** Where the photos of Visual Genome lie. GQA asks about the same ones. */

/** Below a root, or below the folder of Visual Genome beside it. */
export const VISUAL_GENOME_FOLDERS = ['.', '..', '../visual-genome', '../vg'].flatMap((base) =>
  ['VG_100K', 'VG_100K_2'].map((folder) => (base === '.' ? folder : `${base}/${folder}`)),
);
