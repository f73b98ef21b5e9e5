/** Writes docs/performance.md from the measurements and words in docs/performance: `npm run docs:performance`. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readParts, renderPage } from './performance/page.ts';

const docs = resolve(import.meta.dirname, '../../docs');
writeFileSync(join(docs, 'performance.md'), renderPage(readParts(join(docs, 'performance'))));
