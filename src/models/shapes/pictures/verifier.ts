import { type ObjectKind, type ParsedPrompt, type Relation, wantedKinds } from '../prompts/grammar.js';
import { type DetectedObject, detectObjects } from './detect-objects.js';

interface Verdict {
  /** Whether the picture shows exactly what the prompt asks for; true exactly when `score` is 1. */
  readonly satisfied: boolean;
  /** Share of the prompt's constraints that are met, in [0, 1]. */
  readonly score: number;
  readonly objects: readonly DetectedObject[];
}

/**
 * Reads a picture and says whether, and how far, it shows what the prompt asks for. It is the honest measure of alignment
 * and is never used to train.
 *
 * The score is the mean of the prompt's constraints:
 * 1. The wanted objects are there: the mean over them of 1 for the right color and shape and 1/2 for one of the two; no
 *    detected object counts twice.
 * 2. There are exactly as many objects as wanted: 1 or 0.
 * 3. For a relation: the objects of (1), each with some credit, stand in it: 1 or 0.
 * Of several ways to match objects, the best one counts.
 *
 * a is above b if its centroid is higher and they are farther apart in height than in width; likewise for the others.
 *
 * Shapes: `image [3, 16, 16] float32` in [-1, 1].
 */
export function verify(image: Float32Array, prompt: ParsedPrompt): Verdict {
  const objects = detectObjects(image);
  const score = scoreObjects(objects, prompt);
  return { satisfied: score === 1, score, objects };
}

type SeenObject = Pick<DetectedObject, 'shape' | 'color' | 'center'>;

function scoreObjects(objects: readonly SeenObject[], prompt: ParsedPrompt): number {
  const wanted = wantedKinds(prompt);
  const isCountRight = objects.length === wanted.length ? 1 : 0;
  if (prompt.template === 'counting') {
    const credits = objects.map((object) => kindCredit(object, prompt.kind)).sort((a, b) => b - a);
    const present = credits.slice(0, prompt.count).reduce((sum, credit) => sum + credit, 0) / prompt.count;
    return (present + isCountRight) / 2;
  }
  let best = 0;
  for (const first of [...objects, null]) {
    for (const second of [...objects, null]) {
      if (first !== null && first === second) continue;
      const firstCredit = kindCredit(first, prompt.first);
      const secondCredit = kindCredit(second, prompt.second);
      const constraints = [(firstCredit + secondCredit) / 2, isCountRight];
      if (prompt.template === 'relation') {
        // Two blobs that are nothing like what was asked for stand in no relation.
        const isRelated = firstCredit > 0 && secondCredit > 0 && standsIn(prompt.relation, first, second);
        constraints.push(isRelated ? 1 : 0);
      }
      best = Math.max(best, constraints.reduce((sum, met) => sum + met, 0) / constraints.length);
    }
  }
  return best;
}

function kindCredit(object: SeenObject | null, kind: ObjectKind): number {
  if (object === null) return 0;
  return (object.color === kind.color ? 0.5 : 0) + (object.shape === kind.shape ? 0.5 : 0);
}

function standsIn(relation: Relation, first: SeenObject | null, second: SeenObject | null): boolean {
  if (first === null || second === null) return false;
  const dx = second.center[0] - first.center[0];
  const dy = second.center[1] - first.center[1];
  switch (relation) {
    case 'above':
      return dy > Math.abs(dx);
    case 'below':
      return -dy > Math.abs(dx);
    case 'left of':
      return dx > Math.abs(dy);
    case 'right of':
      return -dx > Math.abs(dy);
    default:
      return relation satisfies never;
  }
}
