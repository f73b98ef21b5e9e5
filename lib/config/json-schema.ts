/** The JSON Schema (draft 7) of run files, for editors. */

import { z } from 'zod';
import { runSchema, type SchemaNames } from './schema.ts';

type Schema = Record<string, unknown>;

/**
 * The JSON Schema of a run file as it is written. A file may leave to `extends`, preset and `--set` whatever it likes, so
 * nothing is required in maps; items of lists are never merged, so there required keys stay.
 * @returns an object that is equal for equal names
 */
export function runJsonSchema(names: SchemaNames): Schema {
  const schema = z.toJSONSchema(runSchema(names), { target: 'draft-7', io: 'input' }) as Schema;
  const properties = schema['properties'] as Schema;
  const description = 'Another run file, relative to this one, whose keys hold unless this file states them.';
  loosen(schema);
  return {
    ...schema,
    title: 'tristage run',
    properties: { version: properties['version'], extends: { type: 'string', description }, ...properties },
  };
}

/** Lets maps leave keys out, and fields that are paths be what they are in JSON: texts. */
function loosen(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const node = schema as Schema;
  delete node['required'];
  for (const child of Object.values((node['properties'] ?? {}) as Schema)) {
    const inner = child as Schema;
    if (inner['type'] === 'object') loosen(inner);
  }
}

/** The file's text: indented JSON with a newline at its end. */
export function runJsonSchemaText(names: SchemaNames): string {
  return `${JSON.stringify(runJsonSchema(names), withoutPathMark, 2)}\n`;
}

/** `path: true` is our own mark, not a keyword of JSON Schema. */
function withoutPathMark(this: unknown, key: string, value: unknown): unknown {
  return key === 'path' && value === true ? undefined : value;
}
