/** @file Choosing among the pictures of a group: keys, marks on the pictures, and what stands below them. */

import { useState } from 'preact/hooks';
import type { Judgment, ServedGroup } from '../../client/types.js';
import { guessAddress, pictureAddress } from '../api/addresses.js';
import {
  type Ballot,
  isBegun,
  mark,
  nextToRate,
  openBallot,
  placeIn,
  RATINGS,
  unmark,
  type Way,
  wayOf,
} from '../state/ballot.js';
import { choose, undo } from '../state/choices.js';
import { verdictOn } from '../state/groups.js';
import { growthOf } from '../state/growth.js';
import { runInfo } from '../state/run.js';
import { announce } from './announcer.jsx';
import { Leaf } from './leaf.jsx';
import { digitKeys, useKeys } from './shortcuts.js';

/** What is being chosen, and how. */
export interface Choosing {
  readonly group: ServedGroup;
  readonly ballot: Ballot;
  readonly verdict: Judgment | undefined;
  readonly isOpen: boolean;
  readonly put: (verdict: Judgment) => void;
  readonly markPicture: (picture: number, rating?: number) => void;
}

/** Lets a person choose among the pictures of a group, with keys as with clicks. */
export function useChoosing(group: ServedGroup, onUndone?: (id: string) => void): Choosing {
  const way = wayOf(runInfo.value?.feedback?.rule);
  const [kept, setKept] = useState({ id: group.id, ballot: openBallot(way, group.pictures) });
  const isSame = kept.id === group.id && kept.ballot.way === way && kept.ballot.pictures === group.pictures;
  const ballot = isSame ? kept.ballot : openBallot(way, group.pictures);
  const keep = (next: Ballot) => setKept({ id: group.id, ballot: next });
  const verdict = verdictOn(group.id);
  const isOpen = group.state === 'waiting' && !verdict;
  const put = (next: Judgment) => {
    if (!isOpen) return;
    choose(group, next);
    keep(openBallot(way, group.pictures));
  };
  const markPicture = (picture: number, rating = 0) => {
    if (!isOpen) return;
    const next = mark(ballot, picture, rating);
    if ('way' in next) keep(next);
    else put(next);
  };
  const back = () => {
    if (isBegun(ballot)) return keep(unmark(ballot));
    const id = undo();
    if (id === null) return false;
    announce('Undone.');
    onUndone?.(id);
    return true;
  };
  useKeys({
    ...(way === 'rating'
      ? digitKeys(RATINGS, (digit) => markPicture(nextToRate(ballot), digit))
      : digitKeys(group.pictures, (digit) => markPicture(digit - 1))),
    n: () => isOpen && put({ none: true }),
    s: () => isOpen && put({ skip: true }),
    u: back,
    Backspace: back,
  });
  return { group, ballot, verdict, isOpen, put, markPicture };
}

/** How a branch or picture is drawn. */
export function toneOf({ verdict, group }: Choosing, picture: number): string {
  if (verdict && 'best' in verdict) return verdict.best === picture ? 'chosen' : 'faded';
  const best = group.rewards && Math.max(...group.rewards);
  if (best === null || group.rewards?.every((reward) => reward === best)) return '';
  return group.rewards?.[picture] === best ? 'chosen' : 'faded';
}

/** A picture of the group, with all that can be done to it. */
export function ChoosingLeaf({
  choosing,
  picture,
}: {
  readonly choosing: Choosing;
  readonly picture: number;
}) {
  const { group, ballot, verdict, isOpen, markPicture } = choosing;
  const isReady = group.state !== 'drawing' && group.state !== 'failed';
  const growth = growthOf(group.id);
  const guess = growth?.branches.get(picture);
  const ripe = isReady && !growth ? pictureAddress(group.id, picture) : null;
  const src = guess === undefined ? ripe : guessAddress(group.id, guess, picture);
  const isNext = isOpen && ballot.way === 'rating' && nextToRate(ballot) === picture;
  const place = ballot.marks.indexOf(picture);
  const said = [`Picture ${picture + 1} of ${group.pictures}: ${group.prompt}`, placeIn(verdict, picture)];
  const isChosen = verdict !== undefined && 'best' in verdict && verdict.best === picture;
  const reward = group.rewards?.[picture];
  return (
    <Leaf
      src={src}
      alt={said.filter((part) => part !== '').join(', ')}
      size={group.size}
      number={picture + 1}
      isChosen={isChosen}
      mark={ballot.way === 'order' && place >= 0 ? ORDINALS[place] : undefined}
      isRipe={ripe !== null}
      tone={`${toneOf(choosing, picture)}${isNext ? ' next' : ''}`}
      onChoose={isOpen && ballot.way !== 'rating' ? () => markPicture(picture) : undefined}
    >
      {isOpen && ballot.way === 'rating' && (
        <Rating
          name={`${group.id}-${picture}`}
          picture={picture}
          value={ballot.marks[picture] ?? 0}
          onRate={(rating) => markPicture(picture, rating)}
        />
      )}
      {reward !== undefined && <span class="leaf-reward">reward {Number(reward.toFixed(2))}</span>}
    </Leaf>
  );
}

const ORDINALS = ['1st', '2nd', '3rd', '4th', '5th', '6th', '7th', '8th', '9th'];

interface RatingProps {
  readonly name: string;
  readonly picture: number;
  readonly value: number;
  readonly onRate: (rating: number) => void;
}

function Rating({ name, picture, value, onRate }: RatingProps) {
  return (
    <fieldset class="rating">
      <legend class="hidden">Rating of picture {picture + 1}</legend>
      {Array.from({ length: RATINGS }, (_, index) => index + 1).map((rating) => (
        <label key={rating} class={rating <= value ? 'on' : ''}>
          <input
            type="radio"
            name={name}
            value={rating}
            checked={rating === value}
            onChange={() => onRate(rating)}
          />
          <span>{rating}</span>
        </label>
      ))}
    </fieldset>
  );
}

const ASKS: Readonly<Record<Way, string>> = {
  best: 'Which one follows the prompt best?',
  order: 'Put them in order, the best first.',
  rating: 'How well does each follow the prompt, from 1 to 5?',
};

/** What can be said besides a picture. */
export function ChoosingBar({ choosing }: { readonly choosing: Choosing }) {
  const { ballot, isOpen, put } = choosing;
  if (!isOpen) return null;
  return (
    <div class="choosing-bar">
      <p class="ask">{ASKS[ballot.way]}</p>
      <div class="buttons">
        <button type="button" onClick={() => put({ none: true })}>
          None of them <kbd>n</kbd>
        </button>
        <button type="button" onClick={() => put({ skip: true })}>
          Skip <kbd>s</kbd>
        </button>
      </div>
    </div>
  );
}
