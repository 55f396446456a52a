/** @file What a guard against a known failure of training says of itself. */

import type { GuardAction } from '../messages/control-state.js';
import type { Evaluation, RoundMetrics } from '../messages/run-events.js';

/** What guards look at: the figures of each round, and of each evaluation, as they come. */
export type WatchedFigures =
  | ({ readonly kind: 'round' } & RoundMetrics)
  | ({ readonly kind: 'evaluation' } & Evaluation);

/** How far a failure has gone; null where these figures do not tell. */
export type Measure = (figures: WatchedFigures) => number | null;

export interface GuardSpec {
  /** For the config: the failure, and how it is measured. */
  readonly description: string;
  readonly threshold: {
    readonly default: number;
    /** With its unit, and what a larger one does. */
    readonly description: string;
  };
  readonly defaultAction: GuardAction;
  /** What an alarm says of the figure, after "expected at most 1.5": `nats a step to the pretrained model`. */
  readonly quantity: string;
  /** What can be done about it. */
  readonly nextStep: string;
  /** Begins to watch a run whose base model did as `base` says. */
  readonly start: (base: Evaluation) => Measure;
}

/** Measures rounds and passes over evaluations. */
export function ofRounds(measure: (round: RoundMetrics) => number | null): Measure {
  return (figures) => (figures.kind === 'round' ? measure(figures) : null);
}

/** Measures evaluations and passes over rounds. */
export function ofEvaluations(measure: (evaluation: Evaluation) => number | null): Measure {
  return (figures) => (figures.kind === 'evaluation' ? measure(figures) : null);
}
