import { captioned, writeWebTars } from './web-tars.ts';

/** What owners wrote to their photos. */
export function makeSbu(dir: string): Promise<void> {
  return writeWebTars(
    dir,
    captioned(['My blocks in the garden at 10:15!', 'The old chair (under the tree)', 'Sunset over our house']),
  );
}
