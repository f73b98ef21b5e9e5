/** The program of the archive as one file that needs nothing but Node.js. */
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What node-fetch, a package below TensorFlow.js, tries to load and does without. */
const OPTIONAL = 'encoding';

/**
 * Bundles test/gpu/main.ts.
 * @returns the modules that the file still imports; all of them come with Node.js
 * @throws Error when a package could not be put into it
 */
export async function bundle(outfile: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    outfile,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    metafile: true,
    logLevel: 'error',
    // Images are not decoded there, and the other engine is not run.
    external: ['sharp', '@tensorflow/tfjs-node-gpu'],
    // CommonJS packages inside an ES module look for these.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const all = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const imports = all.filter(({ path }) => path !== OPTIONAL);
  const foreign = imports.filter(({ path, external }) => external === true && !isBuiltin(path)).map(({ path }) => path);
  if (foreign.length > 0) throw new Error(`the bundle needs packages beside Node.js: ${foreign.join(', ')}`);
  return [...new Set(imports.map(({ path }) => path))].sort();
}
