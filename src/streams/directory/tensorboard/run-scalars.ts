import type { Alarm, Evaluation, RoundMetrics } from '../../messages/run-events.js';

type Scalars = Record<string, number>;

/**
 * Names the figures of a round as TensorBoard shows them; their meaning stands at RoundMetrics.
 *
 * @param learningRate the step size of the round; null where nothing is trained.
 */
export function roundScalars(metrics: RoundMetrics, learningRate: number | null): Scalars {
  const scalars: Record<string, number | null> = {
    'charts/reward_mean': metrics.rewardMean,
    'charts/reward_std': metrics.rewardStd,
    'charts/verified_alignment': metrics.verifiedAlignment,
    'charts/verifier_score': metrics.verifierScore,
    'charts/trained_steps': metrics.trainedSteps.length,
    'charts/selected_samples': metrics.selectedSamples,
    'charts/zero_spread_groups': metrics.zeroSpreadGroups,
    'charts/lost_groups': metrics.lostGroups,
    'charts/stale_groups': metrics.staleGroups,
    'charts/late_groups': metrics.lateGroups,
    'charts/dead_letters': metrics.deadLetters,
    'charts/intra_group_correlation': metrics.intraGroupCorrelation,
    'charts/learning_rate': learningRate,
    'charts/learning_rate_scale': metrics.learningRateScale,
    'charts/reward_queries': metrics.rewardQueries,
    'charts/sampling_rows': metrics.networkRows?.sampling ?? null,
    'charts/training_rows': metrics.networkRows?.training ?? null,
    'charts/outside_rewards': metrics.outsideRewards ?? null,
    'feedback/groups': metrics.feedback?.groups ?? null,
    'feedback/votes': metrics.feedback?.votes ?? null,
    'feedback/agreement': metrics.feedback?.agreement ?? null,
    'feedback/expired_groups': metrics.feedback?.expiredGroups ?? null,
    'feedback/stale_groups': metrics.feedback?.staleGroups ?? null,
    'losses/policy_loss': metrics.policyLoss,
    'losses/clip_fraction': metrics.clipFraction,
    'losses/approx_kl': metrics.approxKl,
    'losses/max_ratio_deviation': metrics.maxRatioDeviation,
    'losses/mean_ratio_deviation': metrics.meanRatioDeviation,
    'losses/kl_to_pretrained': metrics.klToPretrained,
    'losses/value_loss': metrics.valueLoss,
    'losses/grad_norm': metrics.gradNorm,
    'losses/loss_scale': metrics.lossScaling?.scale ?? null,
    'losses/skipped_updates': metrics.lossScaling?.skippedUpdates ?? null,
    'promotion/is_promoted': metrics.promotion ? Number(metrics.promotion.isPromoted) : null,
    'promotion/output_change': metrics.promotion?.outputChange ?? null,
    'promotion/log_prob_difference': metrics.promotion?.logProbDifference ?? null,
    'promotion/reward_mean': metrics.promotion?.rewardMean ?? null,
    'canary/wins': metrics.canary?.wins ?? null,
    'canary/losses': metrics.canary?.losses ?? null,
    'canary/win_rate_lower': metrics.canary?.interval[0] ?? null,
    'canary/win_rate_upper': metrics.canary?.interval[1] ?? null,
    'system/trainer_idle_share': metrics.trainerIdleShare,
    'system/elapsed_seconds': metrics.elapsedSeconds,
    'system/event_loop_delay_p99_ms': metrics.eventLoopDelayP99Ms,
    'system/peak_rss_bytes': metrics.peakRssBytes,
  };
  for (const [name, { groups, mean, std }] of Object.entries(metrics.rewardParts ?? {})) {
    scalars[`reward_parts/${name}_mean`] = mean;
    scalars[`reward_parts/${name}_std`] = std;
    scalars[`reward_parts/${name}_groups`] = groups;
  }
  return present(scalars);
}

/** Names the figures of an evaluation as TensorBoard shows them; their meaning stands at Evaluation. */
export function evaluationScalars({ train, heldOut, byTemplate = {} }: Evaluation): Scalars {
  const scalars: Record<string, number | null> = {};
  for (const [list, evaluated] of Object.entries({ train, held_out: heldOut })) {
    scalars[`evaluation/${list}_reward_mean`] = evaluated.rewardMean;
    scalars[`evaluation/${list}_verified_alignment`] = evaluated.verifiedAlignment;
    scalars[`evaluation/${list}_verifier_score`] = evaluated.verifierScore;
    scalars[`evaluation/${list}_diversity`] = evaluated.diversity;
    for (const [name, mean] of Object.entries(evaluated.rewardParts ?? {}))
      scalars[`evaluation_reward_parts/${name}_${list}`] = mean;
    for (const [name, { mean }] of Object.entries(evaluated.gold ?? {}))
      scalars[`evaluation_gold/${name}_${list}`] = mean;
    for (const [name, { mean }] of Object.entries(evaluated.pictures ?? {}))
      scalars[`evaluation_pictures/${snakeCase(name)}_${list}`] = mean;
  }
  for (const [template, alignment] of Object.entries(byTemplate)) {
    scalars[`evaluation_by_template/${template}_train`] = alignment.train;
    scalars[`evaluation_by_template/${template}_held_out`] = alignment.heldOut;
  }
  return present(scalars);
}

/** An alarm is a point: the figure of the guard where it crossed the threshold. */
export function alarmScalars({ guard, value }: Alarm): Scalars {
  return present({ [`alarms/${guard}`]: value });
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What was not measured is left out. */
function present(scalars: Readonly<Record<string, number | null>>): Scalars {
  return Object.fromEntries(
    Object.entries(scalars).filter((entry): entry is [string, number] => entry[1] !== null),
  );
}
