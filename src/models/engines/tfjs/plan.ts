/** @file The order in which a program's steps run, which of them the gradient tape records, and when values are freed. */

import type { GradientRequest } from '../contract/engine.js';
import type { Program, Step } from './program.js';

export interface PlannedStep extends Step {
  /** Values that no later step reads. */
  readonly frees: readonly string[];
}

export interface Plan {
  /** Steps that depend on no parameter: the tape would only keep their values in memory. */
  readonly untaped: readonly PlannedStep[];
  readonly taped: readonly PlannedStep[];
  /** Values through which a gradient flows to a parameter. */
  readonly differentiated: ReadonlySet<string>;
}

/** Plans a run. Without gradients nothing is taped. */
export function planRun({ steps, outputs }: Program, gradients: GradientRequest | undefined): Plan {
  const { parameters, barriers } = gradients ?? { parameters: [], barriers: [] };
  const reached = descendants(steps, parameters, []);
  const isTaped = (step: Step) => step.outputs.some((name) => reached.has(name));
  const order = [...steps.filter((step) => !isTaped(step)), ...steps.filter(isTaped)];
  const kept = new Set(outputs.map(({ name }) => name));
  const isReadLater = new Set<string>();
  const planned = order
    .toReversed()
    .map((step): PlannedStep => {
      const names = [...step.inputs, ...step.outputs];
      const frees = names.filter((name, index) => !isReadLater.has(name) && names.indexOf(name) === index);
      for (const name of names) isReadLater.add(name);
      return { ...step, frees: frees.filter((name) => !kept.has(name)) };
    })
    .reverse();
  return {
    untaped: planned.filter((step) => !isTaped(step)),
    taped: planned.filter(isTaped),
    differentiated: descendants(steps, parameters, barriers),
  };
}

/** Names of the values that depend on the sources, unless only through a barrier. */
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
