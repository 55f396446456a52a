/** @file Keys, looks, and what is kept of a person. */

import { useState } from 'preact/hooks';
import type { PersonDeletion } from '../../client/types.js';
import { request, wordsOf } from '../api/request.js';
import { Dialog } from '../parts/dialog.jsx';
import { forgetPerson, person, setPerson, THEMES } from '../state/person.js';

const KEYS: readonly (readonly [keys: readonly string[], does: string])[] = [
  [['1', '…', '9'], 'choose a picture; with ratings, rate the next one'],
  [['n'], 'none of them'],
  [['s'], 'skip'],
  [['u'], 'undo'],
  [['0'], 'no difference, in the blind test'],
  [['/'], 'write a prompt'],
  [['?'], 'this help'],
];

interface HelpDialogProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

export function HelpDialog({ isOpen, onClose }: HelpDialogProps) {
  const { theme, hasShortcuts } = person.value;
  return (
    <Dialog title="Help and settings" isOpen={isOpen} onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="switch">
        <input
          type="checkbox"
          checked={hasShortcuts}
          onChange={({ currentTarget }) => setPerson({ hasShortcuts: currentTarget.checked })}
        />
        single keys
      </label>
      <fieldset class="segments">
        <legend class="hidden">Colors</legend>
        {THEMES.map((one) => (
          <button
            type="button"
            key={one}
            aria-pressed={theme === one}
            onClick={() => setPerson({ theme: one })}
          >
            {one}
          </button>
        ))}
      </fieldset>
      <OwnData />
      <div class="buttons end">
        <button type="button" class="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

/** Export and deletion of what the server keeps of this person. */
function OwnData() {
  const [isSure, setSure] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const address = `v1/people/${encodeURIComponent(person.value.id)}`;
  const save = async () => {
    const data = await request<object>(address);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }));
    link.download = 'tributary-data.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const remove = async () => {
    const { groups, votes, complete, gateways } = await request<PersonDeletion>(address, {
      method: 'DELETE',
    });
    const others = complete
      ? ''
      : ` ${gateways.running - gateways.answered} of ${gateways.running} gateways have yet to do the same.`;
    setSaid(`${groups} groups and ${votes} choices were deleted.${others}`);
    setTimeout(forgetPerson, 1500);
  };
  const tell = (error: unknown) => setSaid(wordsOf(error));
  return (
    <div class="own-data">
      <p class="note">
        The server knows you as <code>{person.value.id.slice(0, 14)}…</code>, a random name that this browser
        keeps, with your prompts and choices.
      </p>
      <div class="buttons">
        <button type="button" onClick={() => save().catch(tell)}>
          Save my data
        </button>
        {isSure ? (
          <button type="button" class="danger" onClick={() => remove().catch(tell)}>
            Delete all of it now
          </button>
        ) : (
          <button type="button" onClick={() => setSure(true)}>
            Delete my data
          </button>
        )}
      </div>
      {said !== null && <p role="status">{said}</p>}
    </div>
  );
}
