import type { RunEvent, RunProgress } from '../../streams/messages/run-events.js';
import { writeDuration, writeScore, writeShare, writeSteps } from '../../streams/report/figures.js';
import { bar } from './status-line.js';

/** Share of a round's time that sampling takes; the rest is training. Only the bar depends on it. */
const SAMPLING_SHARE = 0.35;
const BAR_WIDTH = 18;

/** How far a run is. */
interface ShownProgress {
  readonly bar: string;
  readonly text: string;
  /** What is done now. */
  readonly doing: string;
}

/**
 * Returns a function that takes the events of a run in order and returns its progress; null before its first round begins. The time left is measured in whole rounds, so there is none before the first is done.
 *
 * @param now Seconds from some origin.
 */
export function describeProgress(now: () => number): (event: RunEvent) => ShownProgress | null {
  let progress: RunProgress | null = null;
  let measured: readonly string[] = [];
  /** When the first round began, and which one that was. */
  let first = { at: now(), round: 0 };
  let done: { readonly at: number; readonly rounds: number } | null = null;

  const note = (event: RunEvent) => {
    switch (event.kind) {
      case 'progress':
        if (progress === null) first = { at: first.at, round: event.round };
        progress = event;
        break;
      case 'round':
        measured = writeFigures(event.metrics.rewardMean, event.metrics.verifiedAlignment);
        done = { at: now(), rounds: event.metrics.round + 1 };
        break;
      case 'evaluation':
        if (done === null)
          measured = writeFigures(
            event.evaluation.train.rewardMean,
            event.evaluation.train.verifiedAlignment,
          );
        break;
      default:
    }
    if (progress === null) first = { ...first, at: now() };
  };

  return (event) => {
    note(event);
    if (progress === null) return null;
    const { round, numRounds, trainedSteps, groupsSampled, groupsPerRound } = progress;
    const isDone = done !== null && done.rounds > round;
    const within = isDone ? 1 : (SAMPLING_SHARE * groupsSampled) / groupsPerRound;
    const isSampling = groupsSampled < groupsPerRound;
    const parts = [
      `round ${round + 1}/${numRounds}`,
      `steps ${writeSteps(trainedSteps)}`,
      ...measured,
      ...(done === null ? [] : [`${writeDuration(secondsLeft(first, done, numRounds, now()))} left`]),
    ];
    return {
      bar: bar((round + within) / numRounds, BAR_WIDTH),
      text: parts.join(' · '),
      doing: isDone ? 'saving' : isSampling ? `sampling ${groupsSampled}/${groupsPerRound}` : 'training',
    };
  };
}

/** The figures of a round, or of an evaluation, that were measured. */
export function writeFigures(reward: number | null, alignment: number | null): string[] {
  return [
    ...(reward === null ? [] : [`reward ${writeScore(reward)}`]),
    ...(alignment === null ? [] : [`verified ${writeShare(alignment)}`]),
  ];
}

function secondsLeft(
  first: { readonly at: number; readonly round: number },
  done: { readonly at: number; readonly rounds: number },
  numRounds: number,
  now: number,
): number {
  const perRound = (done.at - first.at) / (done.rounds - first.round);
  return Math.max(0, perRound * (numRounds - done.rounds) - (now - done.at));
}
