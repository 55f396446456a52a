/** @file A tree of pictures as it grows: the shared beginning, the fork, and a branch to each picture. */

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ServedGroup, ServedTree } from '../../client/types.js';
import { guessAddress } from '../api/addresses.js';
import { growthOf } from '../state/growth.js';
import { lastSharedStep } from '../state/last-shared-step.js';
import { Picture } from './picture.jsx';
import { type Box, treeLines } from './tree-lines.js';

interface TreeProps {
  readonly group: ServedGroup;
  /** What stands at the end of a branch. */
  readonly leaf: (picture: number) => ComponentChildren;
  /** How strongly a branch is drawn: `chosen`, `faded`, or as usual. */
  readonly toneOf: (picture: number) => string;
}

interface Lines {
  readonly width: number;
  readonly height: number;
  readonly paths: readonly string[];
}

const NO_LINES: Lines = { width: 0, height: 0, paths: [] };

export function Tree({ group, leaf, toneOf }: TreeProps) {
  const ref = useRef<HTMLDivElement>(null);
  const hasTrunk = !group.tree || lastSharedStep(group.tree) >= 0;
  const lines = useLines(ref, group.pictures, hasTrunk);
  const share = grownShare(group);
  const leaves = Array.from({ length: group.pictures }, (_, picture) => picture);
  return (
    <div
      class={hasTrunk ? 'tree' : 'tree apart'}
      ref={ref}
      style={{ '--columns': Math.max(1, Math.ceil(group.pictures / 2)) }}
    >
      <svg class="tree-lines" width={lines.width} height={lines.height} aria-hidden="true">
        {lines.paths.map((path, picture) => (
          <g key={picture} class={`line ${toneOf(picture)}`}>
            <path class="wood" d={path} />
            <path class="sap" d={path} pathLength={1} style={{ strokeDashoffset: 1 - share }} />
          </g>
        ))}
      </svg>
      <Trunk group={group} hasPicture={hasTrunk} />
      <div class="leaves">
        {leaves.map((picture) => (
          <div class="leaf-place" key={picture}>
            {leaf(picture)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The share of the steps after the fork that are done. */
function grownShare({ id, state, tree }: ServedGroup): number {
  const growth = growthOf(id);
  if (!growth) return state === 'drawing' ? 0 : 1;
  if (!tree) return growth.branches.size > 0 ? 0.5 : 0;
  return Math.min(1, Math.max(0, growth.step - tree.forkStep) / Math.max(1, tree.numSteps - tree.forkStep));
}

/** What the network expected to draw where the branches part, and how far it has come. */
function Trunk({ group, hasPicture }: { readonly group: ServedGroup; readonly hasPicture: boolean }) {
  const { id, tree, size, state, prompt } = group;
  const growth = growthOf(id);
  const done = growth?.step ?? (state === 'drawing' ? 0 : (tree?.numSteps ?? 0));
  const guess = trunkGuess(group);
  return (
    <div class="trunk">
      {hasPicture && (
        <div class={`trunk-picture${guess === null ? ' waiting' : ''}`}>
          {guess !== null && (
            <Picture
              src={guessAddress(id, guess, 0)}
              alt={`What the model expected before step ${guess + 1}: ${prompt}`}
              size={size}
            />
          )}
        </div>
      )}
      {tree && <Steps tree={tree} done={done} />}
    </div>
  );
}

/** The step before which the trunk's guess was made: while it grows the newest one, and at last that at the fork. */
function trunkGuess({ id, tree }: ServedGroup): number | null {
  const growth = growthOf(id);
  if (growth) return growth.trunk;
  const last = tree ? lastSharedStep(tree) : -1;
  return last < 0 ? null : last;
}

/** A mark for each step of the sampler: shared, or trained, and done, or not yet. */
function Steps({ tree, done }: { readonly tree: ServedTree; readonly done: number }) {
  const { numSteps, forkStep, trainedSteps } = tree;
  const marks = Array.from({ length: numSteps }, (_, step) => step);
  const isWhole = done >= numSteps;
  const words = isWhole ? sharedWords(tree) : `step ${done} of ${numSteps}`;
  return (
    <div class="steps">
      <div class="marks" aria-hidden="true">
        {marks.map((step) => (
          <i
            key={step}
            class={[
              step < done ? 'done' : '',
              step < forkStep ? 'shared' : '',
              trainedSteps.includes(step) ? 'trained' : '',
            ].join(' ')}
          />
        ))}
      </div>
      <span class="note">{words}</span>
    </div>
  );
}

function sharedWords(tree: ServedTree): string {
  const { numSteps, forkStep } = tree;
  if (lastSharedStep(tree) < 0) return `${numSteps} steps, each picture by itself`;
  return forkStep === 0
    ? `${numSteps} steps, branches from the start`
    : `${forkStep} of ${numSteps} steps shared`;
}

/** Measures where trunk and leaves are, whenever they may have moved, and returns the lines between them. */
function useLines(
  ref: { readonly current: HTMLDivElement | null },
  pictures: number,
  hasTrunk: boolean,
): Lines {
  const [lines, setLines] = useState(NO_LINES);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setLines(linesIn(element, pictures));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [pictures, hasTrunk]);
  return lines;
}

function linesIn(element: HTMLElement, pictures: number): Lines {
  const whole = element.getBoundingClientRect();
  const boxOf = (part: Element): Box => {
    const { left, top, right, bottom } = part.getBoundingClientRect();
    return {
      left: left - whole.left,
      top: top - whole.top,
      right: right - whole.left,
      bottom: bottom - whole.top,
    };
  };
  const trunk = element.querySelector('.trunk-picture');
  const leaves = [...element.querySelectorAll('.leaf-frame')].slice(0, pictures).map(boxOf);
  if (!trunk || leaves.length === 0) return NO_LINES;
  const box = boxOf(trunk);
  const isUpright = leaves.every(({ top }) => top >= box.bottom);
  return { width: whole.width, height: whole.height, paths: treeLines(box, leaves, isUpright) };
}
