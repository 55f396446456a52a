/** @file Decoding a picture in overlapping tiles, as diffusers' AutoencoderKL does with `enable_tiling`. */

import { at } from '../../at.js';

/** The share of a tile that the next one covers too. */
const OVERLAP = 0.25;

interface TileSizes {
  /** Height and width of the latents of a whole tile. */
  readonly tileSize: number;
  /** How much larger a picture is than its latents. */
  readonly scale: number;
}

/** Pixels [channels, height, width] of a tile. */
interface Tile {
  readonly data: Float32Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

type DecodeTile = (latents: Float32Array, height: number, width: number) => Promise<Tile>;

/**
 * Decodes one picture. Tiles begin every ⌊¾ tileSize⌋ positions; those at the far edges are what is left. The first
 * ⌊¼ tileSize · scale⌋ pixels of a tile fade over from the tile above, then from the one to the left.
 *
 * Shapes: latents [C, h, w]; returns pixels [3, h · scale, w · scale].
 */
export async function decodeTiles(
  latents: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  { tileSize, scale }: TileSizes,
  decode: DecodeTile,
): Promise<Tile> {
  const stride = Math.floor(tileSize * (1 - OVERLAP));
  const blend = Math.floor(tileSize * scale * OVERLAP);
  const limit = tileSize * scale - blend;
  const pictures: Tile[] = [];
  let above: Tile[] = [];
  for (let row = 0; row * stride < height; row++) {
    const tiles: Tile[] = [];
    for (let column = 0; column * stride < width; column++) {
      const top = row * stride;
      const left = column * stride;
      const [tileHeight, tileWidth] = [Math.min(tileSize, height - top), Math.min(tileSize, width - left)];
      const part = cut(latents, { channels, height, width }, { top, left, tileHeight, tileWidth });
      const tile = await decode(part, tileHeight, tileWidth);
      fadeFromAbove(above[column], tile, blend);
      fadeFromLeft(tiles[column - 1], tile, blend);
      tiles.push(tile);
      if (pictures.length === 0) pictures.push(blank(tile.channels, height * scale, width * scale));
      paste(tile, at(pictures, 0), { top: row * limit, left: column * limit, limit });
    }
    above = tiles;
  }
  return at(pictures, 0);
}

function blank(channels: number, height: number, width: number): Tile {
  return { data: new Float32Array(channels * height * width), channels, height, width };
}

function cut(
  latents: Float32Array,
  { channels, height, width }: Omit<Tile, 'data'>,
  { top, left, tileHeight, tileWidth }: { top: number; left: number; tileHeight: number; tileWidth: number },
): Float32Array {
  const part = new Float32Array(channels * tileHeight * tileWidth);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < tileHeight; y++) {
      const from = (channel * height + top + y) * width + left;
      part.set(latents.subarray(from, from + tileWidth), (channel * tileHeight + y) * tileWidth);
    }
  }
  return part;
}

function paste(
  tile: Tile,
  pixels: Tile,
  { top, left, limit }: { top: number; left: number; limit: number },
): void {
  const width = Math.min(limit, tile.width);
  for (let channel = 0; channel < tile.channels; channel++) {
    for (let y = 0; y < Math.min(limit, tile.height); y++) {
      const from = (channel * tile.height + y) * tile.width;
      const to = (channel * pixels.height + top + y) * pixels.width + left;
      pixels.data.set(tile.data.subarray(from, from + width), to);
    }
  }
}

function fadeFromAbove(above: Tile | undefined, tile: Tile, blend: number): void {
  if (!above) return;
  const extent = Math.min(above.height, tile.height, blend);
  for (let channel = 0; channel < tile.channels; channel++) {
    for (let y = 0; y < extent; y++) {
      const share = y / extent;
      const from = (channel * above.height + above.height - extent + y) * above.width;
      const to = (channel * tile.height + y) * tile.width;
      for (let x = 0; x < tile.width; x++)
        tile.data[to + x] = above.data[from + x]! * (1 - share) + tile.data[to + x]! * share;
    }
  }
}

function fadeFromLeft(left: Tile | undefined, tile: Tile, blend: number): void {
  if (!left) return;
  const extent = Math.min(left.width, tile.width, blend);
  for (let row = 0; row < tile.channels * tile.height; row++) {
    for (let x = 0; x < extent; x++) {
      const share = x / extent;
      const from = row * left.width + left.width - extent + x;
      const to = row * tile.width + x;
      tile.data[to] = left.data[from]! * (1 - share) + tile.data[to]! * share;
    }
  }
}
