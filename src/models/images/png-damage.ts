import { promisify } from 'node:util';
import { inflate } from 'node:zlib';

const SIGNATURE = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Length, type and checksum of a chunk, around its data. */
const CHUNK_BYTES = 12;
const HEADER_BYTES = 13;
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };
const MOST_PIXEL_BYTES = 2 ** 30;

const inflated = promisify(inflate);

/**
 * Says what is wrong with a PNG of 8 bits a channel; null where it is whole: its chunks follow each other from the header
 * to the end, and its pixels decompress, with the checksum of zlib, to as many bytes as width and height ask for (PNG
 * specification, third edition, 5.2 and 10.1). Decompression is done off this thread.
 */
export async function pngDamage(png: Uint8Array): Promise<string | null> {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  if (bytes.length === 0) return 'an empty file';
  if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return 'a file that is no PNG';
  const chunks = chunksOf(bytes);
  if (chunks === null) return 'a PNG that is cut short';
  const header = chunks[0];
  if (header?.type !== 'IHDR' || header.data.length !== HEADER_BYTES) return 'a PNG without a header';
  const [width, height] = [header.data.readUInt32BE(0), header.data.readUInt32BE(4)];
  const rowBytes = 1 + width * (CHANNELS[header.data[9] ?? -1] ?? 0);
  if (width === 0 || height === 0 || height * rowBytes > MOST_PIXEL_BYTES)
    return `a PNG of ${width} x ${height}`;
  const data = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map((chunk) => chunk.data));
  const pixels = await inflated(data, { maxOutputLength: height * rowBytes + 1 }).catch(() => null);
  return pixels?.length === height * rowBytes ? null : 'a PNG whose pixels are damaged';
}

/** The chunks in order, to the end chunk; null where one reaches beyond the file. */
function chunksOf(bytes: Buffer): { readonly type: string; readonly data: Buffer }[] | null {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = SIGNATURE.length; at + CHUNK_BYTES <= bytes.length; ) {
    const end = at + CHUNK_BYTES + bytes.readUInt32BE(at);
    if (end > bytes.length) return null;
    const type = bytes.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: bytes.subarray(at + 8, end - 4) });
    if (type === 'IEND') return chunks;
    at = end;
  }
  return null;
}
