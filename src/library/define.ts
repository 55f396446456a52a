/**
 * @file What a module of one's own exports by default, so that a config can name it by its path (docs/own-modules.md).
 * Each function only types and marks what it is given.
 */

import type { z } from 'zod';
import type { OwnSurrogate } from '../models/objectives/own-surrogate.js';
import type { ModulePictures } from '../models/rewards/sources/module.js';
import type { OwnForkPlan } from '../models/rollouts/own-fork-plan.js';
import type { OwnRule } from '../operators/advantages/own-rule.js';
import type { OwnSchedule } from '../operators/own-schedule.js';
import type { OwnKind } from '../own-entries.js';
import type { OwnGuard } from '../streams/guards/own-guard.js';
import type { OwnServingRule } from '../streams/stages/gateway/own-serving-rule.js';

type Shape = z.core.$ZodLooseShape;
type Options<Fields extends Shape> = Readonly<z.output<z.ZodObject<Fields>>>;

/** A definition. */
export interface Own<Kind extends OwnKind, Fields extends Shape, Made> {
  readonly kind: Kind;
  /** What `options` of the config may hold. */
  readonly fields: Fields;
  /** Makes what a run uses, of the options with their defaults. Called more than once. */
  readonly create: (options: Options<Fields>) => Made;
}

interface Definition<Fields extends Shape, Made> {
  /**
   * The fields of `options`, each with a default where it makes sense: made by `number`, `integer`, `oneOf` and `text` of
   * this package, or by zod. Default: none.
   */
  readonly fields?: Fields;
  readonly create: (options: Options<Fields>) => Made;
}

const definer =
  <Kind extends OwnKind, Made>(kind: Kind) =>
  <Fields extends Shape = Record<never, never>>({
    fields,
    create,
  }: Definition<Fields, Made>): Own<Kind, Fields, Made> => ({
    kind,
    fields: fields ?? ({} as Fields),
    create,
  });

/** A reward: numbers for the pictures of a group. It runs in the reward's thread. */
export const defineReward = definer<'reward', OwnReward>('reward');

/** A surrogate: the loss of a trained row, as an expression. It is called in the trainer's thread. */
export const defineSurrogate = definer<'surrogate', OwnSurrogate>('surrogate');

/** An advantage rule: rewards of a round in, advantages out. */
export const defineAdvantageRule = definer<'advantage rule', OwnRule>('advantage rule');

/** A guard: how far a failure has gone, and what to do about it. */
export const defineGuard = definer<'guard', OwnGuard>('guard');

/** A fork plan: where the tree of a group branches. It is called in the sampler's thread, too. */
export const defineForkPlan = definer<'fork plan', OwnForkPlan>('fork plan');

/** A schedule: the sampler steps that a round trains. */
export const defineSchedule = definer<'schedule', OwnSchedule>('schedule');

/** A serving rule: prompts and pictures that people must not be given. It runs in a thread of the gateway's process. */
export const defineServingRule = definer<'serving rule', OwnServingRule>('serving rule');

/** What a reward's module makes of its options. */
export interface OwnReward {
  /**
   * Scores the pictures of a group: one finite number each, or `{ rewards, features }` with a vector a picture, by which
   * diversity is measured. May be asynchronous.
   */
  readonly score: (pictures: Omit<ModulePictures, 'options'>) => unknown;
  /** Called when the run ends. */
  readonly close?: () => unknown;
}
