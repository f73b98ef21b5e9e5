// Bytes to normalised floats by tables, and places of three channels to three planes; see normalize-vector.ts.

/**
 * @param source u8[places, 3]
 * @param target f32[3, places]
 * @param tables f32[3, 256]
 */
export function normalize(source: i32, places: i32, target: i32, tables: i32): void {
  const plane = places << 2;
  const end = source + places * 3;
  for (const last = end - 12; source <= last; source += 12, target += 16) {
    for (let channel = 0, table = tables, to = target; channel < 3; channel++, table += 1024, to += plane) {
      const at = source + channel;
      let values = v128.load_splat<u32>(table + (<i32>load<u8>(at, 0) << 2));
      values = v128.load_lane<u32>(table + (<i32>load<u8>(at, 3) << 2), values, 1);
      values = v128.load_lane<u32>(table + (<i32>load<u8>(at, 6) << 2), values, 2);
      values = v128.load_lane<u32>(table + (<i32>load<u8>(at, 9) << 2), values, 3);
      v128.store(to, values);
    }
  }
  for (; source < end; source += 3, target += 4) {
    store<u32>(target, load<u32>(tables + (<i32>load<u8>(source) << 2)));
    store<u32>(target + plane, load<u32>(tables + 1024 + (<i32>load<u8>(source, 1) << 2)));
    store<u32>(target + 2 * plane, load<u32>(tables + 2048 + (<i32>load<u8>(source, 2) << 2)));
  }
}
