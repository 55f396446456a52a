/** @file What `import ... from 'tributary-rl'` gives: docs/library.md. */

export { type ErrorCode, TributaryError } from '../errors.js';
export type { ResolvedConfig as Topology, TopologyFile } from '../streams/config/schema/topology-schema.js';
export type { Fault } from '../streams/config/source/fault.js';
export type { Linted } from '../streams/config/source/lint-sources.js';
export type {
  Alarm,
  Evaluation,
  Outcome,
  PromptSetEvaluation,
  RoundMetrics,
  RunEvent,
  RunProgress,
} from '../streams/messages/run-events.js';
export { lint, loadTopology, type TopologySource } from './load.js';
export { type TrainOptions, train } from './train.js';
