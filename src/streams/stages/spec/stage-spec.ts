import type { z } from 'zod';
import type { Entry } from '../../../catalog.js';
import type { TOPICS, TopicName } from '../../messages/topics.js';

/** Topics that a stage reads or writes, each with the kind of message it carries; another does not compile. */
export type Ports = { readonly [Topic in TopicName]?: (typeof TOPICS)[Topic]['message'] };

/** A type of stage: everything that lint, graph, docs and the JSON Schema say about it. */
export interface StageSpec<Type extends string, Schema extends z.core.$ZodType> extends Entry<Type> {
  /** What follows from using it. */
  readonly consequences: {
    readonly ordering: string;
    readonly delivery: string;
    readonly memory: string;
  };
  /** Its fields, `type` among them; strict, each with a description and, where one makes sense, a default. */
  readonly schema: Schema;
  readonly reads: Ports;
  readonly writes: Ports;
}

/** Keeps the literal types of a spec while it is checked. */
export function defineStage<const Type extends string, Schema extends z.core.$ZodType>(
  spec: StageSpec<Type, Schema>,
): StageSpec<Type, Schema> {
  return spec;
}
