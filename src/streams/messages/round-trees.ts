/** @file A few trees of a round, for the report: as they are picked, with latents, and as they are shown, with pictures. */

import type { SheetLayout } from '../../models/images/picture-sheet.js';
import type { RecordedStep } from '../../models/rollouts/clean-guess.js';
import type { Trajectory } from '../../models/rollouts/sampler.js';

/** The end of a branch, and what the advantage rule made of it. */
interface TreeLeaf {
  /** Index of the branch in its group. */
  readonly branch: number;
  readonly reward: number;
  /** Null where the rule left the branch out. */
  readonly advantage: number | null;
  /** One a sampler step on the way to this leaf: the advantage that it is trained with, null where it is not trained. */
  readonly credit: readonly (number | null)[];
}

/** Where a branch splits. */
interface TreeFork {
  /** The sampler step before which it does. */
  readonly step: number;
  /** Index among the latents of the group before that step. */
  readonly node: number;
}

interface GroupTree<Leaf extends TreeLeaf, Fork extends TreeFork> {
  readonly groupId: string;
  readonly prompt: string;
  /** Latents before every sampler step, the number of branches last: S + 1 counts (`treeWidths`). */
  readonly widths: readonly number[];
  /** Those that are shown, by branch. */
  readonly leaves: readonly Leaf[];
  /** Those with a leaf that is shown, by step. */
  readonly forks: readonly Fork[];
}

interface PickedLeaf extends TreeLeaf {
  /** After the last step. */
  readonly latents: Float32Array;
}

interface PickedFork extends TreeFork {
  /** The step that follows; null before the first trained step, where nothing is recorded. */
  readonly recorded: RecordedStep | null;
}

export interface PickedTree extends GroupTree<PickedLeaf, PickedFork> {
  /** As in `Trajectory`. */
  readonly latentShape?: Trajectory['latentShape'];
}

interface ShownLeaf extends TreeLeaf {
  /** Index on the sheet. */
  readonly picture: number;
}

interface ShownFork extends TreeFork {
  /** Index on the sheet of the picture that the network expected there; null where that is not known. */
  readonly picture: number | null;
}

export interface ShownTree extends GroupTree<ShownLeaf, ShownFork> {}

/** What is shown of one round. It survives JSON. */
export interface RoundTrees {
  readonly round: number;
  /** The sampler steps that were trained, ascending. */
  readonly trainedSteps: readonly number[];
  /** t of every sampler step, the noisiest first; for flow models σ·T. */
  readonly timesteps: readonly number[];
  /** Where the pictures are. */
  readonly sheet: SheetLayout;
  readonly trees: readonly ShownTree[];
}
