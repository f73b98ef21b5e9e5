/** Messages of Protocol Buffers, field by field, without a schema. (protobuf.dev: encoding) */

/** A varint as a number, anything else as its bytes, which lie in the message. */
export interface ProtobufField {
  number: number;
  value: number | Uint8Array;
}

/**
 * Walks the fields of a message. Fixed-width values come as their bytes; varints of more than 53 bits lose their last digits.
 * @param refuse makes the error of bytes that are no message
 */
export function* protobufFields(
  bytes: Uint8Array,
  refuse: (found: string, expected: string) => Error,
): Generator<ProtobufField> {
  let place = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[place];
      if (byte === undefined) throw refuse('an end inside a number', 'a whole file');
      place += 1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw refuse('a number of more than ten bytes', 'a protocol buffer');
  };
  while (place < bytes.length) {
    const key = varint();
    const wire = key % 8;
    const number = Math.floor(key / 8);
    if (wire === 0) {
      yield { number, value: varint() };
      continue;
    }
    const length = wire === 2 ? varint() : wire === 5 ? 4 : wire === 1 ? 8 : -1;
    if (length < 0 || number === 0) throw refuse(`wire type ${wire} in field ${number}`, 'a protocol buffer');
    if (length > bytes.length - place) throw refuse(`a field of ${length} bytes past the end`, 'a whole file');
    yield { number, value: bytes.subarray(place, place + length) };
    place += length;
  }
}
