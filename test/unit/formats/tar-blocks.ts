/** Tar headers made by hand, so that tests can lie in any field. */

export interface RawMember {
  name: string;
  content?: string | Uint8Array;
  type?: string;
  /** Stands in the size field instead of the content's size. */
  size?: number | string | Uint8Array;
  prefix?: string;
  magic?: string;
  /** Added to the true checksum. */
  checksumOff?: number;
  /** Sum signed bytes, as very old programs did. */
  signedSum?: boolean;
}

export function tarMember(member: RawMember): Uint8Array {
  const content = Buffer.from((member.content ?? '') as string);
  const block = Buffer.alloc(512);
  block.write(member.name, 0, 100);
  block.write('0000644\0', 100);
  const size = member.size ?? content.length;
  if (typeof size === 'number') block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  else if (typeof size === 'string') block.write(size, 124);
  else block.set(size, 124);
  block.write(member.type ?? '0', 156);
  block.write(member.magic ?? 'ustar\x0000', 257);
  block.write(member.prefix ?? '', 345, 155);
  block.fill(' ', 148, 156);
  const signed = (byte: number): number => (member.signedSum && byte > 127 ? byte - 256 : byte);
  const sum = block.reduce((total, byte) => total + signed(byte), 0) + (member.checksumOff ?? 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

export const TAR_END = new Uint8Array(1024);

export function tarOf(...members: RawMember[]): Uint8Array {
  return Buffer.concat([...members.map(tarMember), TAR_END]);
}

export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return `${length} ${key}=${value}\n`;
}
