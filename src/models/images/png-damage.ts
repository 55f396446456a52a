import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { at } from '../../at.js';

const SIGNATURE = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Length, type and checksum around the data of a chunk. */
const CHUNK_BYTES = 12;
const HEADER_BYTES = 13;
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };
const MOST_PIXEL_BYTES = 2 ** 30;

const inflateAsync = promisify(inflate);

/**
 * Says what is wrong with a PNG of 8 bits per channel; null if it is whole: its chunks follow each other from the header to the
 * end, and its pixels decompress, with a correct zlib checksum, to as many bytes as width and height require (PNG
 * specification, third edition, 5.2 and 10.1). Decompression runs off this thread.
 */
export async function pngDamage(png: Uint8Array): Promise<string | null> {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  if (bytes.length === 0) return 'an empty file';
  if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return 'a file that is not a PNG';
  const chunks = chunksOf(bytes);
  if (chunks === null) return 'a PNG that is cut short';
  const header = chunks[0];
  if (header?.type !== 'IHDR' || header.data.length !== HEADER_BYTES) return 'a PNG without a header';
  const [width, height] = [header.data.readUInt32BE(0), header.data.readUInt32BE(4)];
  const numChannels = CHANNELS[at(header.data, 9)];
  if (numChannels === undefined) return 'a PNG whose pixels are damaged';
  const rowBytes = 1 + width * numChannels;
  if (width === 0 || height === 0 || height * rowBytes > MOST_PIXEL_BYTES)
    return `a PNG of ${width} x ${height}`;
  const data = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map((chunk) => chunk.data));
  const pixels = await inflateAsync(data, { maxOutputLength: height * rowBytes + 1 }).catch(() => null);
  return pixels?.length === height * rowBytes ? null : 'a PNG whose pixels are damaged';
}

/** The chunks in order, up to the end chunk; null if one extends beyond the file. */
function chunksOf(bytes: Buffer): { readonly type: string; readonly data: Buffer }[] | null {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let start = SIGNATURE.length; start + CHUNK_BYTES <= bytes.length; ) {
    const end = start + CHUNK_BYTES + bytes.readUInt32BE(start);
    if (end > bytes.length) return null;
    const type = bytes.toString('latin1', start + 4, start + 8);
    chunks.push({ type, data: bytes.subarray(start + 8, end - 4) });
    if (type === 'IEND') return chunks;
    start = end;
  }
  return null;
}
