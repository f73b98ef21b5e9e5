/**
 * A configuration before it is checked: plain values in which every node knows where it was written. Files, presets and
 * `--set` arguments all become such trees, are laid over one another, and only then meet the schema.
 */

/** Where a value was written. */
export type Origin =
  | { kind: 'file'; file: string; line: number; column: number }
  | { kind: 'set'; argument: string }
  | { kind: 'preset'; name: string }
  | { kind: 'default' };

export type Scalar = string | number | boolean | null;

export interface MapEntry {
  /** Where the key stands; differs from the origin of the value. */
  keyOrigin: Origin;
  value: ConfigNode;
}

export type ConfigNode =
  | { kind: 'map'; origin: Origin; entries: ReadonlyMap<string, MapEntry> }
  | { kind: 'list'; origin: Origin; items: readonly ConfigNode[] }
  | { kind: 'scalar'; origin: Origin; value: Scalar };

/** A plain value: what JSON can hold. */
export type Plain = Scalar | Plain[] | { [key: string]: Plain };

export type Path = readonly (string | number)[];

/** `configs/a.yaml:3:5`, `--set train.steps=3`, `preset tiny` or `default`. */
export function describeOrigin(origin: Origin): string {
  if (origin.kind === 'file') return `${origin.file}:${origin.line}:${origin.column}`;
  if (origin.kind === 'set') return `--set ${origin.argument}`;
  return origin.kind === 'preset' ? `preset ${origin.name}` : 'default';
}

/** A dotted path, list items by index: `data.mixture.sources.0.root`. */
export function describePath(path: Path): string {
  return path.join('.');
}

/**
 * Lays one tree over another: maps merge key by key, everything else replaces what lies below, and `null` takes an
 * inherited key away, so that its default holds again.
 * @param base what is inherited
 * @param over what wins
 */
export function overlay(base: ConfigNode, over: ConfigNode): ConfigNode {
  if (base.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    entries.set(key, below === undefined ? entry : { ...entry, value: overlay(below.value, entry.value) });
  }
  return { kind: 'map', origin: over.origin, entries };
}

/** The tree without the keys of maps whose value is `null`. */
export function withoutNulls(node: ConfigNode): ConfigNode {
  if (node.kind === 'list') return { ...node, items: node.items.map(withoutNulls) };
  if (node.kind !== 'map') return node;
  const entries = new Map<string, MapEntry>();
  for (const [key, entry] of node.entries) {
    if (entry.value.kind === 'scalar' && entry.value.value === null) continue;
    entries.set(key, { ...entry, value: withoutNulls(entry.value) });
  }
  return { ...node, entries };
}

/** The plain value of a tree. Its maps are ordinary objects: the reader of files lets no key such as `__proto__` through. */
export function toPlain(node: ConfigNode): Plain {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.value)]));
}

/** A tree whose every node has the same origin. */
export function fromPlain(value: Plain, origin: Origin): ConfigNode {
  if (Array.isArray(value)) return { kind: 'list', origin, items: value.map((item) => fromPlain(item, origin)) };
  if (typeof value !== 'object' || value === null) return { kind: 'scalar', origin, value };
  const entries = Object.entries(value).map(([key, item]): [string, MapEntry] => [
    key,
    { keyOrigin: origin, value: fromPlain(item, origin) },
  ]);
  return { kind: 'map', origin, entries: new Map(entries) };
}

/** The child of a node by key or index. */
export function childOf(node: ConfigNode, key: string | number): ConfigNode | undefined {
  if (node.kind === 'map') return node.entries.get(String(key))?.value;
  return node.kind === 'list' ? node.items[Number(key)] : undefined;
}

/** The node at a path, or `undefined` where nothing was written. */
export function nodeAt(node: ConfigNode, path: Path): ConfigNode | undefined {
  let current: ConfigNode | undefined = node;
  for (const key of path) current = current === undefined ? undefined : childOf(current, key);
  return current;
}

/** The origin of the deepest node on a path that was written at all. */
export function nearestOrigin(node: ConfigNode, path: Path): Origin {
  let current = node;
  for (const key of path) {
    const child = childOf(current, key);
    if (child === undefined) break;
    current = child;
  }
  return current.origin;
}

/**
 * A copy of the tree with another node at a path. Maps on the way are made where they are missing.
 * @throws Error with a plain sentence when the path walks through a scalar, or past the end of a list
 */
export function replaceAt(node: ConfigNode, path: Path, value: ConfigNode): ConfigNode {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (node.kind === 'list') {
    const index = /^\d+$/.test(String(key)) ? Number(key) : Number.NaN;
    const item = node.items[index];
    if (!(index <= node.items.length)) {
      throw new Error(`${key} is not an index of a list of ${node.items.length} items`);
    }
    const below = item ?? { kind: 'map' as const, origin: value.origin, entries: new Map() };
    const items = [...node.items];
    items[index] = replaceAt(below, rest, value);
    return { ...node, items };
  }
  if (node.kind === 'scalar' && node.value !== null) throw new Error(`${key} lies inside a single value`);
  const entries = new Map(node.kind === 'map' ? node.entries : []);
  const entry = entries.get(String(key));
  const below = entry?.value ?? { kind: 'map' as const, origin: value.origin, entries: new Map() };
  entries.set(String(key), {
    keyOrigin: entry?.keyOrigin ?? value.origin,
    value: replaceAt(below, rest, value),
  });
  return { kind: 'map', origin: node.origin, entries };
}
