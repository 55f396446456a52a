import { TributaryError } from '../../../errors.js';
import type { StageType } from '../../stages/index.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';

/** A stage with its name. */
type NamedStage<Type extends StageType> = StageConfig<Type> & { readonly name: string };

/** Returns the first stage of a type, or nothing. */
export function findStage<Type extends StageType>(
  config: Pick<ResolvedConfig, 'stages'>,
  type: Type,
): NamedStage<Type> | undefined {
  for (const [name, stage] of Object.entries(config.stages)) {
    // The comparison is what narrows; the compiler cannot follow it through a type parameter.
    if (stage.type === type) return { ...(stage as StageConfig<Type>), name };
  }
  return undefined;
}

/**
 * Returns the stage of a type. A config that lint has passed holds exactly one of each.
 *
 * Errors: TRIB_CONFIG where there is none.
 */
export function stageOf<Type extends StageType>(config: ResolvedConfig, type: Type): NamedStage<Type> {
  const stage = findStage(config, type);
  if (stage) return stage;
  throw new TributaryError(
    'TRIB_CONFIG',
    `topology "${config.name}" stages: expected one of type ${type}, got none. Add one.`,
  );
}
