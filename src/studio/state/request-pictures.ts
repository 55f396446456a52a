/** @file The request for pictures that is under way. */

import { signal } from '@preact/signals';
import type { ServedGroup } from '../../client/types.js';
import { request, wordsOf } from '../api/request.js';
import { noteGroup, ownGroups } from './groups.js';
import { growthOf, replayGrowth } from './growth.js';
import { person } from './person.js';

interface Asked {
  readonly prompt: string;
  /** Groups of before, which cannot be the one that was asked for. */
  readonly known: ReadonlySet<string>;
  readonly abort: AbortController;
}

/** What was asked for and is not there yet; null where nothing was. */
export const asked = signal<Asked | null>(null);

/** Why there are no pictures; null where there are, or nothing was asked for. */
export const drawFault = signal<string | null>(null);

/** The group that is being drawn for the request, once the server has said so. */
export function askedGroup(): ServedGroup | undefined {
  const { prompt, known } = asked.value ?? {};
  if (!known) return undefined;
  return ownGroups.value.find((group) => group.prompt === prompt && !known.has(group.id));
}

/** Asks for the pictures of a prompt, and returns the id of their group; null where there are none. */
export async function draw(prompt: string): Promise<string | null> {
  asked.value?.abort.abort();
  const abort = new AbortController();
  const known = new Set(ownGroups.value.map(({ id }) => id));
  asked.value = { prompt, known, abort };
  drawFault.value = null;
  try {
    const body = { prompt, user: person.value.id, response_format: 'url' };
    const { id } = await request<{ readonly id: string }>('v1/images/generations', {
      body,
      signal: abort.signal,
    });
    const wasGrowing = growthOf(id) !== undefined;
    const group = await request<ServedGroup>(`v1/groups/${encodeURIComponent(id)}`);
    noteGroup(group);
    if (!wasGrowing) replayGrowth(group);
    return id;
  } catch (error) {
    if (abort.signal.aborted) return null;
    drawFault.value = wordsOf(error);
    return null;
  } finally {
    if (asked.value?.abort === abort) asked.value = null;
  }
}
