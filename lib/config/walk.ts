/** Questions to a zod schema that parsing does not answer: what lies at a path, which keys are known, which fields are paths. */

import { z } from 'zod';
import type { Path } from './tree.ts';

/** The schema inside one optional, default or prefault wrapper. */
function innerOf(schema: z.ZodType): z.ZodType | undefined {
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  return wrapped ? (schema.def.innerType as z.ZodType) : undefined;
}

/** The schema inside all its wrappers. */
function unwrap(schema: z.ZodType): z.ZodType {
  const inner = innerOf(schema);
  return inner === undefined ? schema : unwrap(inner);
}

/** The object schema of a union whose discriminator equals the value's. */
function chosen(union: z.ZodDiscriminatedUnion, value: unknown): z.ZodType | undefined {
  const { discriminator, options } = union.def;
  const wanted = (value as Record<string, unknown> | null | undefined)?.[discriminator];
  const fits = (option: z.ZodType) =>
    option instanceof z.ZodObject && literalsOf(option.shape[discriminator]).has(wanted);
  return (options as z.ZodType[]).find(fits);
}

function literalsOf(schema: unknown): ReadonlySet<unknown> {
  return schema instanceof z.ZodLiteral ? schema.values : new Set();
}

/** One step down: the schema and value of a key or index. */
function step(schema: z.ZodType, value: unknown, key: string | number): z.ZodType | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Record<string, z.ZodType>)[key];
  if (inner instanceof z.ZodArray) return inner.def.element as z.ZodType;
  if (inner instanceof z.ZodTuple) return inner.def.items[Number(key)] as z.ZodType | undefined;
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const option = chosen(inner, value);
    return option === undefined ? undefined : step(option, value, key);
  }
  return undefined;
}

/**
 * The schema at a path of a value.
 * @param schema schema of the whole
 * @param value the whole value: its discriminators choose among the members of a union
 */
export function schemaAt(schema: z.ZodType, value: unknown, path: Path): z.ZodType | undefined {
  let current: z.ZodType | undefined = schema;
  let here = value;
  for (const key of path) {
    current = current === undefined ? undefined : step(current, here, key);
    here = (here as Record<string | number, unknown> | null | undefined)?.[key];
  }
  if (current === undefined) return undefined;
  const inner = unwrap(current);
  return inner instanceof z.ZodDiscriminatedUnion ? (chosen(inner, here) ?? inner) : inner;
}

/** The keys that an object schema knows, in the order of its declaration; empty for other schemas. */
export function knownKeys(schema: z.ZodType | undefined): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** Whether a string field is a file or folder; the mark may stand on the field or inside its wrappers. */
export function isPathField(field: z.ZodType): boolean {
  for (let current = field; ; ) {
    if (current.meta()?.['path'] === true) return true;
    const inner = innerOf(current);
    if (inner === undefined) return false;
    current = inner;
  }
}

/**
 * Calls `visit` for every string in a value that the schema says is a path.
 * @returns nothing; `visit` gets the path of each and its text
 */
export function forEachPath(schema: z.ZodType, value: unknown, visit: (path: Path, text: string) => void): void {
  const descend = (here: unknown, path: Path, field: z.ZodType | undefined): void => {
    if (field === undefined) return;
    if (typeof here === 'string') {
      if (isPathField(field)) visit(path, here);
    } else if (typeof here === 'object' && here !== null) {
      for (const [key, child] of Object.entries(here)) {
        const at = Array.isArray(here) ? Number(key) : key;
        descend(child, [...path, at], step(field, here, at));
      }
    }
  };
  descend(value, [], schema);
}
