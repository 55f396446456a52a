/** @file Prompts that wait for groups, of one source or of several. */

import { at } from '../../../at.js';
import { metadataPart, type PromptMetadata } from '../../../prompt-metadata.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { IncomingPrompt, ListedPrompt } from '../../messages/prompts.js';
import type { StageContext } from '../shared/stage-context.js';
import { createSourceChoice, type SourceTurn } from './choose-source.js';
import { drawPrompt } from './draw-prompt.js';
import type { PromptInbox } from './prompt-inbox.js';
import type { Slot } from './slots.js';

interface FileSource {
  readonly from: 'file';
  readonly prompts: readonly ListedPrompt[];
  /** Whether these are the prompts of `train`, which operators of a run may replace. */
  readonly isTrain: boolean;
}

/** One of several sources that are merged. */
export type MergedSource = SourceTurn &
  (FileSource | { readonly from: 'topic'; readonly inbox: PromptInbox });

/** A prompt that has come over a topic. */
export interface ReceivedPrompt {
  readonly inbox: PromptInbox;
  readonly message: IncomingPrompt;
}

/** The prompt of a group. */
export interface GivenPrompt {
  readonly prompt: string;
  readonly metadata?: PromptMetadata;
  /** Where and as what it came in; absent for one of a file. */
  readonly received?: ReceivedPrompt;
}

/** Items on the one side, what they become for groups on the other. */
export interface Waiting<Item, Given> {
  add(item: Item): void;
  /** Gives to the first of some slots, in order; to fewer than all where nothing is left. */
  give(slots: readonly Slot[]): readonly Given[];
}

/** First come, first served. */
export function inOrder<Item>(): Waiting<Item, Item> {
  const items: Item[] = [];
  return { add: (item) => void items.push(item), give: ({ length }) => items.splice(0, length) };
}

/** The prompts of one topic. */
export function ofOneTopic(): Waiting<ReceivedPrompt, GivenPrompt> {
  const waiting = inOrder<ReceivedPrompt>();
  return { ...waiting, give: (slots) => waiting.give(slots).map(givenOf) };
}

/**
 * The prompts of several sources: each slot takes from the one that `createSourceChoice` says. Files always have a prompt to
 * give; those of a topic are given in the order in which they come.
 *
 * The prompt that a file gives depends on the seed, the group and the list of its round alone. With `choice: round-robin` its
 * passes are over the groups that were planned for it; what it gives in the place of others comes from passes of its own.
 */
export function ofSources(
  { config, control }: StageContext,
  sources: readonly MergedSource[],
): Waiting<ReceivedPrompt, GivenPrompt> {
  const { seed } = config;
  const { choice } = stageOf(config, 'prompts');
  const { choose, plannedBefore } = createSourceChoice(sources, seed);
  const received = sources.map((): ReceivedPrompt[] => []);
  const draw = (source: number, file: FileSource, isPlanned: boolean, slot: Slot): GivenPrompt => {
    const { groupIndex, round } = slot;
    const { prompt, metadata } = drawPrompt((file.isTrain && control.at(round).prompts) || file.prompts, {
      seed,
      choice,
      groupIndex: choice === 'uniform' ? groupIndex : placeOf(source, isPlanned, groupIndex),
      stream: 1 + 2 * source + (isPlanned ? 0 : 1),
    });
    return { prompt, ...metadataPart(metadata) };
  };
  const placeOf = (source: number, isPlanned: boolean, groupIndex: number): number => {
    const planned = plannedBefore(source, groupIndex);
    return isPlanned ? planned : groupIndex - planned;
  };
  return {
    add(item) {
      const source = sources.findIndex((one) => one.from === 'topic' && one.inbox === item.inbox);
      received[source]?.push(item);
    },
    give(slots) {
      const taken = sources.map(() => 0);
      const next = (source: number) => received[source]?.[at(taken, source)];
      const canGive = (source: number) => at(sources, source).from === 'file' || next(source) !== undefined;
      const given: GivenPrompt[] = [];
      for (const slot of slots) {
        const chosen = choose(slot.groupIndex, canGive);
        if (chosen === null) break;
        const { source, isPlanned } = chosen;
        const settings = at(sources, source);
        const item = next(source);
        if (settings.from === 'file') given.push(draw(source, settings, isPlanned, slot));
        else if (item) {
          given.push(givenOf(item));
          taken[source] = at(taken, source) + 1;
        }
      }
      for (const [source, count] of taken.entries()) at(received, source).splice(0, count);
      return given;
    },
  };
}

function givenOf(received: ReceivedPrompt): GivenPrompt {
  const { prompt, metadata } = received.message;
  return { prompt, ...metadataPart(metadata), received };
}
