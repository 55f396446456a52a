/** @file What `import ... from 'tributary-rl'` gives: docs/library.md. */

export { type ErrorCode, TributaryError } from '../errors.js';
export { integer, number, oneOf, text } from '../fields.js';
export type { Expression } from '../models/graph/ops/expression.js';
export type { OwnSurrogate } from '../models/objectives/own-surrogate.js';
export type { ForkPlace, OwnForkPlan } from '../models/rollouts/own-fork-plan.js';
export type { JudgedGroup, OwnRule } from '../operators/advantages/own-rule.js';
export type { OwnSchedule, SchedulePosition } from '../operators/own-schedule.js';
export type { ResolvedConfig as Topology, TopologyFile } from '../streams/config/schema/topology-schema.js';
export type { Fault } from '../streams/config/source/fault.js';
export type { Linted } from '../streams/config/source/lint-sources.js';
export type { OwnGuard } from '../streams/guards/own-guard.js';
export type {
  Alarm,
  Evaluation,
  Outcome,
  PromptSetEvaluation,
  RoundMetrics,
  RunEvent,
  RunProgress,
} from '../streams/messages/run-events.js';
export type { AskedPrompt, DrawnPrompt, OwnServingRule } from '../streams/stages/gateway/own-serving-rule.js';
export {
  defineAdvantageRule,
  defineForkPlan,
  defineGuard,
  defineReward,
  defineSchedule,
  defineServingRule,
  defineSurrogate,
  type Own,
  type OwnReward,
} from './define.js';
export { lint, loadTopology, type TopologySource } from './load.js';
export type { TrainOptions } from './run.js';
export { train } from './train.js';
