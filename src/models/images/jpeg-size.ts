import type { Rgb8Image } from './png.js';

/** The JFIF header, which Pillow writes and libvips leaves out. */
const JFIF_HEADER_BYTES = 18;

/**
 * Number of bytes of a picture as Pillow writes it by `save(format="JPEG", quality=quality)`: baseline, color at half the
 * resolution, standard Huffman tables, JFIF header. Same to the byte (test/fixtures/jpeg-sizes.json).
 *
 * @param quality 1 to 100.
 */
export async function jpegSize({ width, height, data }: Rgb8Image, quality: number): Promise<number> {
  // A native library: only a run that wants it shall load it.
  const { default: sharp } = await import('sharp');
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:2:0', progressive: false, optimizeCoding: false })
    .toBuffer();
  return bytes.length + JFIF_HEADER_BYTES;
}
