/** @file What is counted of a training stage while it is under way: scored images, verdicts, dead letters. */

import { EMPTY, merge, mergeMap, type Observable } from 'rxjs';
import type { ScoredMetric, TopicMessages } from './messages.js';
import type { Transport } from './transport/transport.js';

/** What was counted of one training stage. */
export interface Tally {
  readonly images: number;
  /** Images that the verifier has looked at. */
  readonly verified: number;
  readonly satisfied: number;
  /** Sum of the verifier's scores. */
  readonly score: number;
  readonly deadLetters: number;
  /** Dead letters that are prompts which could not be rolled out: no fault of the reward. */
  readonly deadPrompts: number;
}

export interface StageTally {
  /** Counts what was scored and what died as it passes; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never>;
  /** Returns what was counted of a stage, and forgets it. */
  take(trainingStage: number): Tally;
}

const NOTHING: Tally = { images: 0, verified: 0, satisfied: 0, score: 0, deadLetters: 0, deadPrompts: 0 };

/** Starts to count, every training stage by itself. */
export function stageTally(): StageTally {
  const tallies = new Map<number, Tally>();
  const count = (trainingStage: number, seen: Partial<Tally>) => {
    const tally = tallies.get(trainingStage) ?? NOTHING;
    const sum = (name: keyof Tally) => tally[name] + (seen[name] ?? 0);
    tallies.set(trainingStage, {
      images: sum('images'),
      verified: sum('verified'),
      satisfied: sum('satisfied'),
      score: sum('score'),
      deadLetters: sum('deadLetters'),
      deadPrompts: sum('deadPrompts'),
    });
  };
  const countScored = ({ trainingStage, images, verdicts }: ScoredMetric) =>
    count(trainingStage, verdicts ? { images, verified: images, ...verdicts } : { images });
  return {
    observe: (transport) =>
      merge(
        transport.subscribe({ topic: 'metrics', consumerGroup: 'run', maxInFlight: 1 }).pipe(
          mergeMap((delivery) => {
            countScored(delivery.message);
            delivery.ack();
            return EMPTY;
          }),
        ),
        transport.subscribe({ topic: 'dead-letters', consumerGroup: 'run', maxInFlight: 1 }).pipe(
          mergeMap((delivery) => {
            const { message, headers } = delivery;
            const deadPrompts = headers.origin === 'prompts' ? 1 : 0;
            // An incoming prompt that was refused at the door belongs to no training stage.
            if ('trainingStage' in message) count(message.trainingStage, { deadLetters: 1, deadPrompts });
            delivery.ack();
            return EMPTY;
          }),
        ),
      ),
    take(trainingStage) {
      const tally = tallies.get(trainingStage) ?? NOTHING;
      tallies.delete(trainingStage);
      return tally;
    },
  };
}
