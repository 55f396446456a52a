/** @file What has become of a group, in words. */

import type { Judgment, ServedGroup } from '../../client/types.js';

/** A sentence on where a group stands, for the person who chose or is to choose. */
export function stateInWords(group: ServedGroup, verdict: Judgment | undefined): string {
  switch (group.state) {
    case 'drawing':
      return 'Drawing …';
    case 'waiting':
      return verdict ? 'Thank you. It counts as soon as enough raters have chosen.' : '';
    case 'decided':
      return 'Thank you. It is decided, and trains one of the next rounds.';
    case 'trained':
      return group.round === null
        ? 'The model has learned from it.'
        : `The model learned from it in round ${group.round + 1}.`;
    case 'expired':
      return 'Nobody chose in time; it is not trained.';
    case 'stale':
      return 'The model has moved on since; it is not trained.';
    case 'lost':
      return 'Its round was trained without it: it came too late, or was lost on the way.';
    case 'failed':
      return 'It was not drawn, or must not be shown.';
  }
}

interface Badge {
  readonly words: string;
  readonly tone: '' | 'asks' | 'good' | 'bad';
}

/** The same in a word or two. */
export function badgeOf(group: ServedGroup, verdict: Judgment | undefined): Badge {
  switch (group.state) {
    case 'drawing':
      return { words: 'drawing', tone: '' };
    case 'waiting':
      return verdict ? { words: 'sent', tone: '' } : { words: 'choose', tone: 'asks' };
    case 'decided':
      return { words: 'decided', tone: '' };
    case 'trained':
      return { words: group.round === null ? 'learned' : `round ${group.round + 1}`, tone: 'good' };
    case 'expired':
      return { words: 'expired', tone: 'bad' };
    case 'stale':
      return { words: 'too old', tone: 'bad' };
    case 'lost':
      return { words: 'lost', tone: 'bad' };
    case 'failed':
      return { words: 'failed', tone: 'bad' };
  }
}
