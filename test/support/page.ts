/** A page as a browser reads it: parsed by the standard's rules, every departure from them counted. */

import { type DefaultTreeAdapterTypes, parse } from 'parse5';

type Element = DefaultTreeAdapterTypes.Element;
type Node = DefaultTreeAdapterTypes.ChildNode | DefaultTreeAdapterTypes.Document;

export interface Page {
  /** Codes of departures from the standard, with their lines. */
  readonly faults: readonly string[];
  /** All elements in the order of the page. */
  readonly elements: readonly Element[];
}

export function parsePage(text: string): Page {
  const faults: string[] = [];
  const document = parse(text, {
    sourceCodeLocationInfo: true,
    onParseError: ({ code, startLine }) => faults.push(`${code}:${startLine}`),
  });
  return { faults, elements: [...elementsOf(document)] };
}

function* elementsOf(node: Node): Generator<Element> {
  if ('tagName' in node) yield node;
  for (const child of 'childNodes' in node ? node.childNodes : []) yield* elementsOf(child);
}

/** An attribute of an element. */
export function attribute(element: Element, name: string): string | undefined {
  return element.attrs.find((one) => one.name === name)?.value;
}

/** The text of an element and everything in it. */
export function textOf(node: Node): string {
  if ('value' in node) return node.value;
  return ('childNodes' in node ? node.childNodes : []).map((child) => textOf(child)).join('');
}

/** The elements of one kind. */
export function named(page: Page, ...tags: string[]): Element[] {
  return page.elements.filter(({ tagName }) => tags.includes(tagName));
}

/** Everything that would make a browser fetch or run something: each is a sentence. */
export function reachesOut(page: Page): string[] {
  return page.elements.flatMap((element) => {
    const { tagName, attrs } = element;
    const forbidden = ['script', 'link', 'iframe', 'object', 'embed', 'base', 'form', 'img', 'audio', 'video'];
    const inAttributes = attrs.flatMap(({ name, value }) => {
      const fragment =
        ['href', 'src', 'xlink:href', 'action', 'srcset', 'poster'].includes(name) &&
        !/^(#|data:image\/webp;base64,)/.test(value);
      const runs = name.startsWith('on') || (name === 'style' && /url|import|expression/i.test(value));
      const paint = /url\((?!["']?#)/i.test(value) && name !== 'aria-label';
      return fragment || runs || paint ? [`${tagName} ${name}="${value.slice(0, 60)}"`] : [];
    });
    const style = tagName === 'style' && /@import|url\(/i.test(textOf(element)) ? ['a style that fetches'] : [];
    const refresh = tagName === 'meta' && attribute(element, 'http-equiv') !== undefined ? ['a meta that acts'] : [];
    return [...(forbidden.includes(tagName) ? [tagName] : []), ...inAttributes, ...style, ...refresh];
  });
}

/** What keeps some people from reading a page: each is a sentence. */
export function barriers(page: Page): string[] {
  const headings = named(page, 'h1', 'h2', 'h3', 'h4').map(({ tagName }) => Number(tagName[1]));
  const skipped = headings.flatMap((level, place) =>
    level > (headings[place - 1] ?? 0) + 1 ? [`h${level} after h${headings[place - 1] ?? 0}`] : [],
  );
  const ids = page.elements.flatMap((element) => attribute(element, 'id') ?? []);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `id ${id} twice`);
  const aims = named(page, 'a', 'use').flatMap((element) => attribute(element, 'href')?.slice(1) ?? []);
  const nowhere = aims.filter((aim) => !ids.includes(aim)).map((aim) => `#${aim} leads nowhere`);
  const silent = named(page, 'svg').flatMap((element) => {
    const hidden = attribute(element, 'aria-hidden') === 'true' || hiddenAbove(element);
    const told = attribute(element, 'role') === 'img' && (attribute(element, 'aria-label') ?? '') !== '';
    return hidden || told || insideSvg(element) ? [] : ['a drawing without a description'];
  });
  const bare = named(page, 'th').flatMap((element) =>
    attribute(element, 'scope') === undefined ? ['a th without scope'] : [],
  );
  const language = attribute(named(page, 'html')[0] as Element, 'lang') === undefined ? ['no language'] : [];
  return [
    ...(headings[0] === 1 ? [] : ['no h1 first']),
    ...skipped,
    ...twice,
    ...nowhere,
    ...silent,
    ...bare,
    ...language,
  ];
}

function* above(element: Element): Generator<Element> {
  for (let at = element.parentNode; at !== null && 'tagName' in at; at = at.parentNode) yield at;
}

function hiddenAbove(element: Element): boolean {
  return [...above(element)].some((one) => attribute(one, 'aria-hidden') === 'true');
}

function insideSvg(element: Element): boolean {
  return [...above(element)].some(({ tagName }) => tagName === 'svg');
}
