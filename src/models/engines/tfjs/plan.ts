/** @file In which order the steps of a program run, what is on the tape of gradients, and when a value is freed. */

import type { GradientRequest } from '../contract/engine.js';
import type { Program, Step } from './program.js';

export interface PlannedStep extends Step {
  /** Values that no later step reads. */
  readonly frees: readonly string[];
}

export interface Plan {
  /** What no parameter reaches: the tape would only keep it in memory. */
  readonly untaped: readonly PlannedStep[];
  readonly taped: readonly PlannedStep[];
  /** Values through which a gradient flows to a parameter. */
  readonly differentiated: ReadonlySet<string>;
}

/** Plans a run; without gradients nothing is taped. */
export function planRun({ steps, outputs }: Program, gradients: GradientRequest | undefined): Plan {
  const reached = descendants(steps, gradients?.parameters ?? [], []);
  const isTaped = (step: Step) => step.outputs.some((name) => reached.has(name));
  const order = [...steps.filter((step) => !isTaped(step)), ...steps.filter(isTaped)];
  const kept = new Set(outputs.map(({ name }) => name));
  const isReadLater = new Set<string>();
  const planned = order
    .toReversed()
    .map((step): PlannedStep => {
      const names = [...step.inputs, ...step.outputs];
      const frees = names.filter((name, at) => !isReadLater.has(name) && names.indexOf(name) === at);
      for (const name of names) isReadLater.add(name);
      return { ...step, frees: frees.filter((name) => !kept.has(name)) };
    })
    .reverse();
  return {
    untaped: planned.filter((step) => !isTaped(step)),
    taped: planned.filter(isTaped),
    differentiated: descendants(steps, gradients?.parameters ?? [], gradients?.barriers ?? []),
  };
}

/** Names of the values that depend on some others, other than through a barrier. */
function descendants(
  steps: readonly Step[],
  sources: readonly string[],
  barriers: readonly string[],
): ReadonlySet<string> {
  const found = new Set(sources);
  for (const { inputs, outputs } of steps) {
    if (!inputs.some((name) => found.has(name))) continue;
    for (const name of outputs) if (!barriers.includes(name)) found.add(name);
  }
  return found;
}
