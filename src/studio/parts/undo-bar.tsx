/** @file The last choice, for as long as it can be undone; and why one was not taken. */

import { wordsOf } from '../state/ballot.js';
import { held, refusal, UNDO_MS, undo } from '../state/choices.js';
import { announce } from './announcer.jsx';

export function UndoBar({ onUndone }: { readonly onUndone?: (id: string) => void }) {
  const choice = held.value;
  if (refusal.value !== null)
    return (
      <div class="undo-bar refused" role="alert">
        <span>Not counted: {refusal.value}</span>
        <button
          type="button"
          onClick={() => {
            refusal.value = null;
          }}
        >
          Close
        </button>
      </div>
    );
  if (!choice) return null;
  const back = () => {
    const id = undo();
    if (id === null) return;
    announce('Undone.');
    onUndone?.(id);
  };
  return (
    <div class="undo-bar" key={choice.idempotencyKey} style={{ '--undo-ms': `${UNDO_MS}ms` }}>
      <span>
        {wordsOf(choice.verdict)} <q>{choice.prompt}</q>
      </span>
      <button type="button" onClick={back}>
        Undo <kbd>u</kbd>
      </button>
    </div>
  );
}
