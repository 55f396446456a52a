/** @file What a person has chosen: held for some seconds in which it can be undone, then sent until it has arrived. */

import { signal } from '@preact/signals';
import type { Judgment, ServedGroup } from '../../client/types.js';
import { Problem, request, wordsOf } from '../api/request.js';
import { noteGroup, noteVerdict } from './groups.js';
import { person, randomId } from './person.js';

/** How long a choice can be undone, unless the next one comes first. */
export const UNDO_MS = 5000;
const RETRY_MS = 2000;
const MOST_KEPT = 200;
const OUTBOX = 'tributary-outbox';

/** A choice that is on its way. */
interface Choice {
  readonly id: string;
  readonly prompt: string;
  readonly verdict: Judgment;
  readonly idempotencyKey: string;
}

/** The choice that can still be undone. */
export const held = signal<Choice | null>(null);

/** Choices that the server has taken since the page was opened. */
export const taken = signal(0);

/** Why the last choice was not taken; null if it was. */
export const refusal = signal<string | null>(null);

let timer: ReturnType<typeof setTimeout> | undefined;

/** What was not known to have arrived when the page was closed. */
function outbox(): readonly Choice[] {
  try {
    return JSON.parse(localStorage.getItem(OUTBOX) ?? '[]');
  } catch {
    return [];
  }
}

function keep(choices: readonly Choice[]): void {
  localStorage.setItem(OUTBOX, JSON.stringify(choices.slice(-MOST_KEPT)));
}

/** Holds a choice; the one before it is sent. */
export function choose({ id, prompt }: ServedGroup, verdict: Judgment): void {
  send();
  refusal.value = null;
  noteVerdict(id, verdict);
  held.value = { id, prompt, verdict, idempotencyKey: randomId() };
  timer = setTimeout(send, UNDO_MS);
}

/** Takes the held choice back, and returns the group that it was about. */
export function undo(): string | null {
  const choice = held.value;
  if (!choice) return null;
  clearTimeout(timer);
  held.value = null;
  noteVerdict(choice.id, null);
  return choice.id;
}

/** Sends the held choice now. */
export function send(): void {
  clearTimeout(timer);
  const choice = held.value;
  if (!choice) return;
  held.value = null;
  keep([...outbox(), choice]);
  void deliver(choice);
}

async function deliver({ id, verdict, idempotencyKey }: Choice): Promise<void> {
  const settled = () => keep(outbox().filter((one) => one.idempotencyKey !== idempotencyKey));
  try {
    const body = { user: person.value.id, idempotencyKey, ...verdict };
    const address = `v1/groups/${encodeURIComponent(id)}/feedback`;
    noteGroup(await request<ServedGroup>(address, { body, keepalive: true }));
    settled();
    taken.value++;
  } catch (error) {
    const isRefused = error instanceof Problem && error.status < 500 && error.status !== 429;
    if (!isRefused) setTimeout(resend, RETRY_MS);
    else {
      settled();
      refusal.value = wordsOf(error);
    }
  }
}

let isSending = false;

/** Sends again what has not arrived; a choice that arrives twice counts once. */
export async function resend(): Promise<void> {
  if (isSending) return;
  isSending = true;
  for (const choice of outbox()) await deliver(choice);
  isSending = false;
}

addEventListener('pagehide', send);
