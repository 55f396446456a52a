/** @file The definition of a guard against a known failure of training. */

import type { GuardAction } from '../messages/control-state.js';
import type { Evaluation, RoundMetrics } from '../messages/run-events.js';

/** What guards watch: the figures of each round and each evaluation, in order. */
export type WatchedFigures =
  | ({ readonly kind: 'round' } & RoundMetrics)
  | ({ readonly kind: 'evaluation' } & Evaluation);

/** How far a failure has gone; null if these figures do not tell. */
type Measure = (figures: WatchedFigures) => number | null;

export interface GuardSpec {
  /** For the config: the failure and its measure. */
  readonly description: string;
  readonly threshold: {
    readonly default: number;
    /** With its unit, and what a larger one does. */
    readonly description: string;
  };
  readonly defaultAction: GuardAction;
  /** Follows the threshold in an alarm, as in "expected at most 1.5" `nats a step to the pretrained model`. */
  readonly quantity: string;
  /** What can be done about it. */
  readonly nextStep: string;
  /** Starts to watch a run; `base` is the evaluation of its base model. */
  readonly start: (base: Evaluation) => Measure;
}

/** Measures rounds and ignores evaluations. */
export function ofRounds(measure: (round: RoundMetrics) => number | null): Measure {
  return (figures) => (figures.kind === 'round' ? measure(figures) : null);
}

/** Measures evaluations and ignores rounds. */
export function ofEvaluations(measure: (evaluation: Evaluation) => number | null): Measure {
  return (figures) => (figures.kind === 'evaluation' ? measure(figures) : null);
}
