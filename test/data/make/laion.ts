import { captioned, writeWebTars } from './web-tars.ts';

/** Alt texts of the web, or captions that a model wrote for them. */
export function makeLaion(dir: string): Promise<void> {
  return writeWebTars(
    dir,
    captioned([
      'Blue Block - Wooden Toy, 12 cm',
      'a picture of some blocks',
      'the blocks are on the floor',
      'Toys | Shop',
      'two blocks',
      'three blocks',
      'one block',
    ]),
  );
}
