import { at } from '../../../at.js';
import {
  type Color,
  type ObjectKind,
  type ParsedPrompt,
  type Relation,
  wantedKinds,
} from '../prompts/grammar.js';
import type { PlacedShape } from './shape-coverage.js';

/** Pixels a side. */
export const PICTURE_SIZE = 16;

/** Red, green, blue, each in [-1, 1]. */
export type Rgb = readonly [number, number, number];

/** What each color word looks like before jitter; far apart from each other and from any gray. */
export const COLOR_VALUES: Readonly<Record<Color, Rgb>> = {
  red: [0.9, -0.8, -0.8],
  green: [-0.7, 0.7, -0.7],
  blue: [-0.7, -0.5, 0.95],
  yellow: [0.95, 0.85, -0.8],
  purple: [0.6, -0.8, 0.8],
};

export interface SceneObject extends ObjectKind, PlacedShape {
  readonly rgb: Rgb;
}

/** All that is drawn: a gray ground and objects that neither touch each other nor leave the frame. */
export interface Scene {
  readonly background: Rgb;
  readonly objects: readonly SceneObject[];
}

const COLOR_JITTER = 0.08;
/** Between any two bounding squares, in pixels. */
const MIN_GAP = 1;
/** Between a bounding square and the frame, in pixels. */
const MARGIN = 0.25;
const MAX_TRIES = 50;

/**
 * Samples a scene that satisfies the prompt: bounding squares of 5.5 to 7 pixels (to 6.5 when three or four are to
 * fit), at least one pixel apart, inside the frame, on a dark gray ground; colors jittered by 0.08.
 *
 * A relation is drawn clearly: the boxes are apart along its axis, and off it their centers differ by at most 3 pixels,
 * so that the distance along the axis is always the greater one.
 *
 * @param random uniform in [0, 1); the number of draws depends on the prompt and on the draws.
 */
export function sampleScene(prompt: ParsedPrompt, random: () => number): Scene {
  const kinds = wantedKinds(prompt);
  const largest = kinds.length <= 2 ? 7 : 6.5;
  const sizes = kinds.map(() => uniform(random, 5.5, largest));
  const places =
    prompt.template === 'relation'
      ? placeRelation(prompt.relation, sizes, random)
      : (placeFreely(sizes, random) ?? placeInQuarters(sizes, random));
  const gray = uniform(random, -0.85, -0.4);
  const shade = () => jitter(gray, 0.04, random);
  const background: Rgb = [shade(), shade(), shade()];
  const objects = kinds.map((kind, index): SceneObject => {
    const [red, green, blue] = COLOR_VALUES[kind.color];
    const [centerX, centerY] = places[index]!;
    const tint = (level: number) => jitter(level, COLOR_JITTER, random);
    const rgb: Rgb = [tint(red), tint(green), tint(blue)];
    return { ...kind, centerX, centerY, size: sizes[index]!, rgb };
  });
  return { background, objects };
}

type Place = readonly [x: number, y: number];

/** One after the other at random; null if one finds no room. Four go to the quarters at once. */
function placeFreely(sizes: readonly number[], random: () => number): Place[] | null {
  if (sizes.length > 3) return null;
  const places: Place[] = [];
  for (let tries = 0; tries < MAX_TRIES && places.length < sizes.length; tries++) {
    const size = sizes[places.length]!;
    const place: Place = [inFrame(size, random), inFrame(size, random)];
    const isFree = places.every(([x, y], other) => {
      const distance = (size + sizes[other]!) / 2 + MIN_GAP;
      return Math.abs(place[0] - x) >= distance || Math.abs(place[1] - y) >= distance;
    });
    if (isFree) places.push(place);
  }
  return places.length === sizes.length ? places : null;
}

/** Each in its own quarter, in random order, jittered as far as the gap allows. */
function placeInQuarters(sizes: readonly number[], random: () => number): Place[] {
  const quarter = PICTURE_SIZE / 2;
  const quarters = shuffle([0, 1, 2, 3], random);
  return sizes.map((size, index) => {
    const cell = quarters[index]!;
    const slack = (quarter - MIN_GAP - size) / 2;
    return [
      ((cell & 1) + 0.5) * quarter + uniform(random, -slack, slack),
      ((cell >> 1) + 0.5) * quarter + uniform(random, -slack, slack),
    ];
  });
}

function placeRelation(relation: Relation, sizes: readonly number[], random: () => number): Place[] {
  const [firstSize, secondSize] = [at(sizes, 0), at(sizes, 1)];
  const isVertical = relation === 'above' || relation === 'below';
  const isFirstNear = relation === 'above' || relation === 'left of';
  const [near, far] = isFirstNear ? [firstSize, secondSize] : [secondSize, firstSize];
  const slack = PICTURE_SIZE - 2 * MARGIN - MIN_GAP - near - far;
  const before = uniform(random, 0, slack);
  const between = uniform(random, 0, slack - before);
  const nearAlong = MARGIN + before + near / 2;
  const farAlong = nearAlong + near / 2 + MIN_GAP + between + far / 2;
  const nearAcross = inFrame(near, random);
  const farLow = Math.max(MARGIN + far / 2, nearAcross - 3);
  const farHigh = Math.min(PICTURE_SIZE - MARGIN - far / 2, nearAcross + 3);
  const farAcross = uniform(random, farLow, farHigh);
  const placed = (along: number, across: number): Place => (isVertical ? [across, along] : [along, across]);
  const places = [placed(nearAlong, nearAcross), placed(farAlong, farAcross)];
  return isFirstNear ? places : places.reverse();
}

function inFrame(size: number, random: () => number): number {
  return uniform(random, MARGIN + size / 2, PICTURE_SIZE - MARGIN - size / 2);
}

function uniform(random: () => number, low: number, high: number): number {
  return low + (high - low) * random();
}

function jitter(value: number, amount: number, random: () => number): number {
  return Math.max(-1, Math.min(1, value + uniform(random, -amount, amount)));
}

function shuffle(values: readonly number[], random: () => number): number[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
