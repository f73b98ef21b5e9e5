/** The kinds of object that emoji-scenes can show, in three groups that share none. */

/** A kind of object: what texts call it and which icon shows it. */
export interface Kind {
  readonly name: string;
  readonly plural: string;
  readonly icon: string;
}

/** Name, plural, icon. */
type Row = readonly [string, string, string];

/** The quickstart shows the first eight of them. */
const USUAL: readonly Row[] = [
  ['dog', 'dogs', 'dog'],
  ['car', 'cars', 'automobile'],
  ['tree', 'trees', 'deciduous-tree'],
  ['apple', 'apples', 'red-apple'],
  ['star', 'stars', 'star'],
  ['fish', 'fish', 'tropical-fish'],
  ['house', 'houses', 'house'],
  ['butterfly', 'butterflies', 'butterfly'],
  ['ball', 'balls', 'soccer-ball'],
  ['key', 'keys', 'key'],
  ['crown', 'crowns', 'crown'],
  ['banana', 'bananas', 'banana'],
];

/** Beside the usual ones, what a model with pretrained parts may learn from. */
const MORE: readonly Row[] = [
  ['cat', 'cats', 'cat'],
  ['horse', 'horses', 'horse'],
  ['cow', 'cows', 'cow'],
  ['pig', 'pigs', 'pig'],
  ['rabbit', 'rabbits', 'rabbit'],
  ['bear', 'bears', 'bear'],
  ['lion', 'lions', 'lion'],
  ['elephant', 'elephants', 'elephant'],
  ['giraffe', 'giraffes', 'giraffe'],
  ['monkey', 'monkeys', 'monkey'],
  ['duck', 'ducks', 'duck'],
  ['owl', 'owls', 'owl'],
  ['penguin', 'penguins', 'penguin'],
  ['turtle', 'turtles', 'turtle'],
  ['snail', 'snails', 'snail'],
  ['crab', 'crabs', 'crab'],
  ['bee', 'bees', 'honeybee'],
  ['whale', 'whales', 'whale'],
  ['flamingo', 'flamingos', 'flamingo'],
  ['kangaroo', 'kangaroos', 'kangaroo'],
  ['bus', 'buses', 'bus'],
  ['train', 'trains', 'locomotive'],
  ['airplane', 'airplanes', 'airplane'],
  ['ship', 'ships', 'ship'],
  ['bicycle', 'bicycles', 'bicycle'],
  ['rocket', 'rockets', 'rocket'],
  ['tractor', 'tractors', 'tractor'],
  ['helicopter', 'helicopters', 'helicopter'],
  ['strawberry', 'strawberries', 'strawberry'],
  ['lemon', 'lemons', 'lemon'],
  ['carrot', 'carrots', 'carrot'],
  ['pizza', 'pizzas', 'pizza'],
  ['cake', 'cakes', 'birthday-cake'],
  ['egg', 'eggs', 'egg'],
  ['mushroom', 'mushrooms', 'mushroom'],
  ['hamburger', 'hamburgers', 'hamburger'],
  ['tomato', 'tomatoes', 'tomato'],
  ['rose', 'roses', 'rose'],
  ['cactus', 'cactuses', 'cactus'],
  ['guitar', 'guitars', 'guitar'],
  ['drum', 'drums', 'drum'],
  ['trumpet', 'trumpets', 'trumpet'],
  ['hammer', 'hammers', 'hammer'],
  ['book', 'books', 'closed-book'],
  ['bell', 'bells', 'bell'],
  ['candle', 'candles', 'candle'],
  ['camera', 'cameras', 'camera'],
  ['chair', 'chairs', 'chair'],
  ['bed', 'beds', 'bed'],
  ['umbrella', 'umbrellas', 'umbrella'],
  ['hat', 'hats', 'top-hat'],
  ['shoe', 'shoes', 'running-shoe'],
  ['dress', 'dresses', 'dress'],
  ['telephone', 'telephones', 'telephone'],
  ['television', 'televisions', 'television'],
  ['bomb', 'bombs', 'bomb'],
  ['trophy', 'trophies', 'trophy'],
  ['anchor', 'anchors', 'anchor'],
  ['castle', 'castles', 'castle'],
  ['balloon', 'balloons', 'balloon'],
  ['robot', 'robots', 'robot'],
  ['ghost', 'ghosts', 'ghost'],
  ['heart', 'hearts', 'red-heart'],
  ['cloud', 'clouds', 'cloud'],
  ['sun', 'suns', 'sun'],
  ['moon', 'moons', 'crescent-moon'],
  ['mountain', 'mountains', 'mountain'],
  ['ring', 'rings', 'ring'],
  ['magnet', 'magnets', 'magnet'],
];

/** Kept for evaluation: what a model can name of them, its pretrained parts knew. */
const UNSEEN: readonly Row[] = [
  ['zebra', 'zebras', 'zebra'],
  ['tiger', 'tigers', 'tiger'],
  ['camel', 'camels', 'two-hump-camel'],
  ['frog', 'frogs', 'frog'],
  ['snake', 'snakes', 'snake'],
  ['spider', 'spiders', 'spider'],
  ['swan', 'swans', 'swan'],
  ['octopus', 'octopuses', 'octopus'],
  ['shark', 'sharks', 'shark'],
  ['chicken', 'chickens', 'rooster'],
  ['truck', 'trucks', 'delivery-truck'],
  ['motorcycle', 'motorcycles', 'motorcycle'],
  ['sailboat', 'sailboats', 'sailboat'],
  ['pear', 'pears', 'pear'],
  ['pineapple', 'pineapples', 'pineapple'],
  ['watermelon', 'watermelons', 'watermelon'],
  ['onion', 'onions', 'onion'],
  ['sunflower', 'sunflowers', 'sunflower'],
  ['violin', 'violins', 'violin'],
  ['axe', 'axes', 'axe'],
  ['pencil', 'pencils', 'pencil'],
  ['laptop', 'laptops', 'laptop'],
  ['backpack', 'backpacks', 'backpack'],
  ['door', 'doors', 'door'],
  ['tent', 'tents', 'tent'],
  ['kite', 'kites', 'kite'],
];

const kindsOf = (rows: readonly Row[]): Kind[] => rows.map(([name, plural, icon]) => ({ name, plural, icon }));

/** Every kind that scenes may show. */
export const KINDS: readonly Kind[] = kindsOf([...USUAL, ...MORE, ...UNSEEN]);

const namesOf = (rows: readonly Row[]): readonly string[] => rows.map(([name]) => name);

/** Groups of kinds, by the names that the option `classes` knows them by. */
export const KIND_GROUPS = {
  quickstart: namesOf(USUAL.slice(0, 8)),
  wide: namesOf([...USUAL, ...MORE]),
  unseen: namesOf(UNSEEN),
} as const;

/** The kinds of the quickstart. */
export const DEFAULT_CLASSES: readonly string[] = KIND_GROUPS.quickstart;
