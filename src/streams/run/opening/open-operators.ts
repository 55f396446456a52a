import { roleOf } from '../../config/graph/topology-graph.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { loadOperator, type MessageOperator } from '../../stages/operator/load-operator.js';

/** Loads the modules of the operator stages of some roles. Errors: as `loadOperator`. */
export async function openOperators(
  config: ResolvedConfig,
  roles: readonly string[],
): Promise<ReadonlyMap<string, MessageOperator>> {
  const operators = new Map<string, MessageOperator>();
  for (const [name, stage] of Object.entries(config.stages)) {
    if (stage.type !== 'operator' || !roles.includes(roleOf(config, name))) continue;
    operators.set(name, await loadOperator(name, stage));
  }
  return operators;
}
