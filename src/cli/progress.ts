import { writeDuration, writeScore, writeShare } from '../streams/report/figures.js';
import type { RunEvent, RunProgress } from '../streams/run-events.js';
import { bar } from './bar.js';
import { remainingTime } from './remaining-time.js';

/** Share of a stage's time that sampling takes; the rest is training. Only the bar rests on it. */
const SAMPLING_SHARE = 0.35;
const BAR_WIDTH = 18;

/**
 * Returns a function that takes the events of a run in turn and says in one line where it stands; null before its first
 * stage begins.
 *
 * @param now Seconds from some origin.
 */
export function describeProgress(now: () => number): (event: RunEvent) => string | null {
  const remaining = remainingTime(now);
  let progress: RunProgress | null = null;
  let measured: string[] = [];
  const figures = (reward: number | null, alignment: number | null) => [
    ...(reward === null ? [] : [`reward ${writeScore(reward)}`]),
    ...(alignment === null ? [] : [`verified ${writeShare(alignment)}`]),
  ];
  return (event) => {
    if (event.kind === 'progress') progress = event;
    if (event.kind === 'stage') measured = figures(event.metrics.rewardMean, event.metrics.verifiedAlignment);
    if (event.kind === 'evaluation' && measured.length === 0)
      measured = figures(event.evaluation.train.rewardMean, event.evaluation.train.verifiedAlignment);
    if (progress === null) return null;
    const { trainingStage, numStages, firstStep, numSteps, groupsSampled, groupsPerStage } = progress;
    const within = event.kind === 'stage' ? 1 : (SAMPLING_SHARE * groupsSampled) / groupsPerStage;
    const share = (trainingStage + within) / numStages;
    const seconds = remaining(share);
    const activity =
      groupsSampled < groupsPerStage ? `sampling ${groupsSampled}/${groupsPerStage}` : 'training';
    return [
      `${bar(share, BAR_WIDTH)} stage ${trainingStage + 1}/${numStages}`,
      `steps ${firstStep}–${numSteps - 1}`,
      ...measured,
      ...(seconds === null ? [] : [`${writeDuration(seconds)} left`]),
      activity,
    ].join(' · ');
  };
}
