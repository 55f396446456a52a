/** @file The groups that the page knows: a bounded number, the newest ones. */

import { computed, signal } from '@preact/signals';
import type { Judgment, ServedGroup } from '../../client/types.js';
import { request } from '../api/request.js';
import { withEntry } from './bounded.js';
import { endGrowth, growthOf } from './growth.js';
import { person } from './person.js';

const MOST_GROUPS = 240;
const MOST_VERDICTS = 500;
const OWN_SHOWN = 60;
const QUEUE_ASKED = 40;

const groups = signal<ReadonlyMap<string, ServedGroup>>(new Map());
const queued = signal<readonly string[]>([]);

const VERDICTS = 'tributary-verdicts';
const verdicts = signal<ReadonlyMap<string, Judgment>>(readVerdicts());

function readVerdicts(): ReadonlyMap<string, Judgment> {
  try {
    return new Map(JSON.parse(localStorage.getItem(VERDICTS) ?? '[]'));
  } catch {
    return new Map();
  }
}

/** A group by id. */
export function groupOf(id: string): ServedGroup | undefined {
  return groups.value.get(id);
}

/** What this person said of a group. */
export function verdictOn(id: string): Judgment | undefined {
  return verdicts.value.get(id);
}

/** This person's groups, the newest first. */
export const ownGroups = computed(() =>
  [...groups.value.values()]
    .filter(({ requestedBy }) => requestedBy === person.value.id)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt))
    .slice(0, OWN_SHOWN),
);

/** Groups of others that wait for this person's judgment, the oldest first. */
export const queue = computed(() =>
  queued.value
    .flatMap((id) => groups.value.get(id) ?? [])
    .filter(
      ({ id, state, requestedBy }) =>
        state === 'waiting' && requestedBy !== person.value.id && !verdicts.value.has(id),
    ),
);

/** How well raters agreed on the groups that are decided. */
export const agreements = computed(() =>
  [...groups.value.values()].flatMap(({ agreement }) => (agreement === null ? [] : [agreement])),
);

/** Takes in what the server says of a group. */
export function noteGroup(group: ServedGroup): void {
  groups.value = withEntry(groups.value, group.id, group, MOST_GROUPS);
  if (group.state !== 'drawing' && growthOf(group.id)?.isReplay === false) endGrowth(group.id);
  if (group.state === 'waiting' && !queued.value.includes(group.id))
    queued.value = [...queued.value, group.id].slice(-MOST_GROUPS);
}

/** Remembers, or with null forgets, what this person said of a group. */
export function noteVerdict(id: string, verdict: Judgment | null): void {
  if (verdict) verdicts.value = withEntry(verdicts.value, id, verdict, MOST_VERDICTS);
  else {
    const next = new Map(verdicts.value);
    next.delete(id);
    verdicts.value = next;
  }
  localStorage.setItem(VERDICTS, JSON.stringify([...verdicts.value]));
}

interface GroupList {
  readonly groups: readonly ServedGroup[];
}

/** Asks for this person's groups. */
export async function loadOwn(): Promise<void> {
  const user = encodeURIComponent(person.value.id);
  const { groups: own } = await request<GroupList>(`v1/groups?user=${user}&limit=${OWN_SHOWN}`);
  for (const group of own) noteGroup(group);
}

/** Asks for the groups that wait for this person. */
export async function loadQueue(): Promise<void> {
  const voter = encodeURIComponent(person.value.id);
  const { groups: waiting } = await request<GroupList>(
    `v1/groups?needs=feedback&voter=${voter}&limit=${QUEUE_ASKED}`,
  );
  for (const group of waiting) noteGroup(group);
  const known = new Set(waiting.map(({ id }) => id));
  queued.value = [...known, ...queued.value.filter((id) => !known.has(id))].slice(0, MOST_GROUPS);
}
