/**
 * YAML text to a tree with positions, in bounded time and memory: hostile files (alias bombs, deep nesting, keys such as
 * `__proto__`) are refused, and the shape of a file is bounded before the parser proper sees it.
 */

import { CST, type Document, isAlias, isMap, isPair, isScalar, isSeq, Lexer, LineCounter, parseDocument } from 'yaml';
import { type ConfigIssue, configErrors, quote } from './errors.ts';
import type { ConfigNode, MapEntry, Origin, Scalar } from './tree.ts';

/** A run file has a few hundred lines; what is far larger is no run file. */
const MAX_BYTES = 256 * 1024;
const MAX_DEPTH = 24;
const MAX_INDENT = 200;
const MAX_NODES = 20_000;

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Where a text came from: a file, or one `--set` argument. */
export interface YamlSource {
  text: string;
  /** Name in messages. */
  name: string;
  /** Set for a `--set` argument: then every node has this origin instead of a position. */
  origin?: Origin;
}

interface Reading {
  source: YamlSource;
  lines: LineCounter;
  document: Document;
  issues: ConfigIssue[];
  nodes: number;
}

/**
 * Parses one YAML 1.2 document (core schema).
 * @throws TristageError E_CONFIG_YAML with file, line and column for a text that is not YAML or is not plain data,
 *   E_CONFIG_LIMIT for one that is too large or too deep, E_CONFIG_KEY for keys that are no plain words
 */
export function readYaml(source: YamlSource): ConfigNode {
  const refused = refuseShape(source);
  if (refused !== undefined) throw configErrors([refused]);
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines, version: '1.2', uniqueKeys: true, merge: false });
  const reading: Reading = { source, lines, document, issues: [], nodes: 0 };
  for (const fault of [...document.errors, ...document.warnings]) {
    const message = fault.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? fault.code;
    report(reading, { code: 'E_CONFIG_YAML', message, at: fault.pos[0] });
  }
  const root = reading.issues.length > 0 ? undefined : convert(reading, document.contents, 0);
  if (root === undefined || reading.issues.length > 0) throw configErrors(reading.issues);
  return root;
}

/** The fault of a text whose size or shape the parser should not meet; found by one cheap pass over its tokens. */
function refuseShape(source: YamlSource): ConfigIssue | undefined {
  const limit = (found: string, expected: string, line?: number): ConfigIssue => ({
    code: 'E_CONFIG_LIMIT',
    message: 'this is larger or deeper than a configuration may be',
    where: line === undefined ? source.name : `${source.name}:${line}:1`,
    found,
    expected,
  });
  const bytes = Buffer.byteLength(source.text);
  if (bytes > MAX_BYTES) return limit(`${bytes} bytes`, `at most ${MAX_BYTES}`);
  const line = source.text.split('\n').findIndex((text) => /^[ \t]*/.exec(text)![0].length > MAX_INDENT);
  if (line >= 0) return limit('a deep indentation', `at most ${MAX_INDENT} spaces`, line + 1);
  const depth = lexicalDepth(source.text);
  return depth > MAX_DEPTH ? limit('deep nesting', `at most ${MAX_DEPTH} levels`) : undefined;
}

/** Greatest number of open flow collections, or of block indicators on one line outside of them. */
function lexicalDepth(text: string): number {
  let deepest = 0;
  let flow = 0;
  let indicators = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'newline') indicators = 0;
    else if (type === 'flow-seq-start' || type === 'flow-map-start') flow++;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') flow = Math.max(0, flow - 1);
    else if (flow === 0 && BLOCK_INDICATORS.has(type)) indicators++;
    deepest = Math.max(deepest, flow, indicators);
    if (deepest > MAX_DEPTH) break;
  }
  return deepest;
}

const BLOCK_INDICATORS: ReadonlySet<string | null> = new Set(['seq-item-ind', 'explicit-key-ind', 'map-value-ind']);

function report(reading: Reading, fault: { code: string; message: string; at: number; found?: string }): void {
  const { at, ...issue } = fault;
  reading.issues.push({ ...issue, where: place(reading, at) });
}

function place({ source, lines }: Reading, offset: number): string {
  if (source.origin !== undefined) return source.name;
  const { line, col } = lines.linePos(offset);
  return `${source.name}:${line}:${col}`;
}

function originAt({ source, lines }: Reading, offset: number): Origin {
  if (source.origin !== undefined) return source.origin;
  const { line, col } = lines.linePos(offset);
  return { kind: 'file', file: source.name, line, column: col };
}

/** The tree of a parsed node; aliases are followed, and every visit counts towards the limit of nodes. */
function convert(reading: Reading, node: unknown, depth: number, at = 0): ConfigNode | undefined {
  const start = (node as { range?: [number, number, number] | null } | null)?.range?.[0] ?? at;
  if (++reading.nodes > MAX_NODES || depth > MAX_DEPTH) {
    const found =
      depth > MAX_DEPTH ? `more than ${MAX_DEPTH} levels` : `more than ${MAX_NODES} values, aliases counted`;
    const known = reading.issues.some((issue) => issue.code === 'E_CONFIG_LIMIT');
    if (!known)
      report(reading, {
        code: 'E_CONFIG_LIMIT',
        message: 'this holds more than a configuration may',
        at: start,
        found,
      });
    return undefined;
  }
  if (isAlias(node)) {
    const target = node.resolve(reading.document);
    if (target !== undefined) return convert(reading, target, depth + 1, start);
    report(reading, {
      code: 'E_CONFIG_YAML',
      message: 'no value before this carries the anchor',
      at: start,
      found: quote(node.source),
    });
    return undefined;
  }
  const origin = originAt(reading, start);
  if (node === null || node === undefined) return { kind: 'scalar', origin, value: null };
  if (isScalar(node)) return convertScalar(reading, node.value, origin, start);
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(reading, item, depth + 1, start));
    return { kind: 'list', origin, items: items.filter((item) => item !== undefined) };
  }
  if (isMap(node)) return { kind: 'map', origin, entries: convertEntries(reading, node.items, depth) };
  report(reading, { code: 'E_CONFIG_YAML', message: 'this is no plain YAML data', at: start });
  return undefined;
}

function convertScalar(reading: Reading, value: unknown, origin: Origin, at: number): ConfigNode | undefined {
  const plain = value === null || ['string', 'number', 'boolean'].includes(typeof value);
  if (plain) return { kind: 'scalar', origin, value: value as Scalar };
  report(reading, { code: 'E_CONFIG_YAML', message: 'this is no plain YAML value', at, found: typeof value });
  return undefined;
}

function convertEntries(reading: Reading, pairs: readonly unknown[], depth: number): Map<string, MapEntry> {
  const entries = new Map<string, MapEntry>();
  for (const pair of pairs) {
    if (!isPair(pair)) continue;
    const key = isScalar(pair.key) ? pair.key.value : pair.key;
    const at = (pair.key as { range?: [number, number, number] | null } | null)?.range?.[0] ?? 0;
    if (typeof key !== 'string' || FORBIDDEN_KEYS.has(key)) {
      const found = typeof key === 'object' ? 'a collection' : quote(key);
      report(reading, { code: 'E_CONFIG_KEY', message: 'a key must be a plain word', at, found });
      continue;
    }
    const value = convert(reading, pair.value, depth + 1, at);
    if (value !== undefined) entries.set(key, { keyOrigin: originAt(reading, at), value });
    if (reading.nodes > MAX_NODES) break;
  }
  return entries;
}
