/** The official answer normalisation of VQA, published slips included (VQA evaluation code, vqaEval.py). */

import { splitWords } from '../../data/text-clean.ts';

const PUNCTUATION = [...';/[]"{}()=+\\_-><@`,?!'];
const DIGIT_COMMA = /\p{Nd},\p{Nd}/u;
/** The published expression meant to look behind as well; as written it only asks that no digit follows. */
const FULL_STOP = /\.(?!\p{Nd})/gu;
/** The published code passes a flag where the count belongs. */
const MOST_FULL_STOPS = 32;
const ARTICLES = new Set(['a', 'an', 'the']);
const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];
const DIGITS = new Map([['none', '0'], ...NUMBERS.map((word, value): [string, string] => [word, String(value)])]);

/** Words that are looked up without their apostrophes. */
const PLAIN_CONTRACTIONS = `ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll
  how's I'm I've isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
  somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll
  they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll who's
  who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've`;

/** Words with two contractions and irregular entries: keys, then the value. */
const OTHER_CONTRACTIONS = `couldn'tve couldnt've couldn't've; hadnt've hadn'tve hadn't've; hed've he'dve he'd've; Id've I'dve I'd've;
  itd've it'dve it'd've; let's let's; mightnt've mightn'tve mightn't've; ow's'at 'ows'at 'ow'sat 'ow's'at; shed've she'dve she'd've;
  she's she's; shouldnt've shouldn'tve shouldn't've; somebody'd somebodyd; somebodyd've somebody'dve somebody'd've;
  someoned've someone'dve someone'd've; somethingd've something'dve something'd've; thered've there'dve there'd've;
  theyd've they'dve they'd've; wed've we'dve we'd've; whod've who'dve who'd've; wouldnt've wouldn'tve wouldn't've;
  yall'll y'allll y'all'll; yall'd've y'alld've y'all'dve y'all'd've; youd've you'dve you'd've`;

const CONTRACTIONS: ReadonlyMap<string, string> = new Map([
  ...splitWords(PLAIN_CONTRACTIONS).map((word): [string, string] => [word.replaceAll("'", ''), word]),
  ...OTHER_CONTRACTIONS.split(';').flatMap((entry) => {
    const words = splitWords(entry);
    const value = words.at(-1) as string;
    return words.slice(0, -1).map((key): [string, string] => [key, value]);
  }),
]);

/**
 * Punctuation: a mark that touches a space, or any mark in a text with a comma between digits, goes; other marks become spaces;
 * full stops not before a digit go.
 */
export function normalisePunctuation(text: string): string {
  const hasDigitComma = DIGIT_COMMA.test(text);
  let output = text;
  for (const mark of PUNCTUATION) {
    const removed = text.includes(`${mark} `) || text.includes(` ${mark}`) || hasDigitComma;
    output = output.replaceAll(mark, removed ? '' : ' ');
  }
  let left = MOST_FULL_STOPS;
  return output.replace(FULL_STOP, (stop) => (left-- > 0 ? '' : stop));
}

/** Lower case; number words become digits, articles go, contractions get their apostrophes; single spaces. */
export function normaliseWords(text: string): string {
  return splitWords(text.toLowerCase())
    .map((word) => DIGITS.get(word) ?? word)
    .filter((word) => !ARTICLES.has(word))
    .map((word) => CONTRACTIONS.get(word) ?? word)
    .join(' ');
}
