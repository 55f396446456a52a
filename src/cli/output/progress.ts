import type { RunEvent, RunProgress } from '../../streams/messages/run-events.js';
import { writeDuration, writeScore, writeShare } from '../../streams/report/figures.js';
import { writeSteps } from '../../streams/report/step-ranges.js';
import { bar } from './bar.js';

/** Share of a stage's time that sampling takes; the rest is training. Only the bar rests on it. */
const SAMPLING_SHARE = 0.35;
const BAR_WIDTH = 18;

/**
 * Returns a function that takes the events of a run in turn and says in one line where it stands; null before its first
 * stage begins. The time left is measured in whole stages, so there is none before the first is done.
 *
 * @param now Seconds from some origin.
 */
export function describeProgress(now: () => number): (event: RunEvent) => string | null {
  let progress: RunProgress | null = null;
  let measured: readonly string[] = [];
  /** When the first stage began, and which one that was. */
  let first = { at: now(), trainingStage: 0 };
  let done: { readonly at: number; readonly stages: number } | null = null;

  const note = (event: RunEvent) => {
    switch (event.kind) {
      case 'progress':
        if (progress === null) first = { at: first.at, trainingStage: event.trainingStage };
        progress = event;
        break;
      case 'stage':
        measured = figures(event.metrics.rewardMean, event.metrics.verifiedAlignment);
        done = { at: now(), stages: event.metrics.trainingStage + 1 };
        break;
      case 'evaluation':
        if (done === null)
          measured = figures(event.evaluation.train.rewardMean, event.evaluation.train.verifiedAlignment);
        break;
      default:
    }
    if (progress === null) first = { ...first, at: now() };
  };

  return (event) => {
    note(event);
    if (progress === null) return null;
    const { trainingStage, numStages, trainedSteps, groupsSampled, groupsPerStage } = progress;
    const isDone = done !== null && done.stages > trainingStage;
    const within = isDone ? 1 : (SAMPLING_SHARE * groupsSampled) / groupsPerStage;
    const isSampling = groupsSampled < groupsPerStage;
    return [
      `${bar((trainingStage + within) / numStages, BAR_WIDTH)} stage ${trainingStage + 1}/${numStages}`,
      `steps ${writeSteps(trainedSteps)}`,
      ...measured,
      ...(done === null ? [] : [`${writeDuration(secondsLeft(first, done, numStages, now()))} left`]),
      isDone ? 'saving' : isSampling ? `sampling ${groupsSampled}/${groupsPerStage}` : 'training',
    ].join(' · ');
  };
}

function figures(reward: number | null, alignment: number | null): string[] {
  return [
    ...(reward === null ? [] : [`reward ${writeScore(reward)}`]),
    ...(alignment === null ? [] : [`verified ${writeShare(alignment)}`]),
  ];
}

function secondsLeft(
  first: { readonly at: number; readonly trainingStage: number },
  done: { readonly at: number; readonly stages: number },
  numStages: number,
  now: number,
): number {
  const perStage = (done.at - first.at) / (done.stages - first.trainingStage);
  return Math.max(0, perStage * (numStages - done.stages) - (now - done.at));
}
