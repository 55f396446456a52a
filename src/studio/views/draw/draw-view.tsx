/** @file Draw: a prompt, the tree that grows from it, the choice, and one's own groups. */

import { useEffect, useRef } from 'preact/hooks';
import type { ServedGroup } from '../../../client/types.js';
import { announce } from '../../parts/announcer.jsx';
import { ChoosingBar, ChoosingLeaf, toneOf, useChoosing } from '../../parts/choosing.jsx';
import { useKeys } from '../../parts/shortcuts.js';
import { Tree } from '../../parts/tree.jsx';
import { UndoBar } from '../../parts/undo-bar.jsx';
import { groupOf, ownGroups } from '../../state/groups.js';
import { asked, askedGroup, draw, drawFault } from '../../state/request-pictures.js';
import { detail, hrefOf } from '../../state/route.js';
import { runInfo } from '../../state/run.js';
import { stateInWords } from '../state-words.js';
import { OwnGroups } from './own-groups.jsx';
import { PromptForm } from './prompt-form.jsx';

export function DrawView() {
  const shown = askedGroup() ?? (asked.value ? unheardOf(asked.value.prompt) : chosenGroup());
  const input = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => input.current?.focus() });
  const ask = async (prompt: string) => {
    // The next thing to do is to choose; keys work from anywhere but the field.
    input.current?.blur();
    const id = await draw(prompt);
    if (id === null) return;
    location.hash = hrefOf('draw', id);
    announce(`${groupOf(id)?.pictures ?? ''} pictures of ${prompt} are ready.`);
  };
  return (
    <>
      <PromptForm input={input} onAsk={ask} />
      {drawFault.value !== null && (
        <p class="fault" role="alert">
          {drawFault.value}
        </p>
      )}
      {shown ? <Drawn group={shown} onAgain={() => ask(shown.prompt)} /> : <FirstWords />}
      <UndoBar onUndone={show} />
      <OwnGroups shown={shown?.id ?? null} />
    </>
  );
}

function show(id: string): void {
  location.hash = hrefOf('draw', id);
}

/** The group of the address, or else the newest one of this person. */
function chosenGroup(): ServedGroup | undefined {
  return groupOf(detail.value) ?? ownGroups.value[0];
}

/** Stands for the group that was asked for until the server names it. */
function unheardOf(prompt: string): ServedGroup {
  return {
    id: '',
    prompt,
    state: 'drawing',
    createdAt: '',
    seed: 0,
    policyVersion: null,
    comparison: null,
    round: null,
    size: [1, 1],
    pictures: runInfo.value?.feedback?.pictures ?? 4,
    tree: null,
    votes: 0,
    rewards: null,
    agreement: null,
    requestedBy: null,
  };
}

interface DrawnProps {
  readonly group: ServedGroup;
  readonly onAgain: () => void;
}

function Drawn({ group, onAgain }: DrawnProps) {
  const choosing = useChoosing(group, show);
  const { verdict, isOpen } = choosing;
  const words = stateInWords(group, verdict);
  useEffect(() => {
    if (verdict) announce(words);
  }, [verdict, words]);
  return (
    <section class="drawn with-side" aria-label={group.prompt} aria-busy={group.state === 'drawing'}>
      <header class="drawn-head">
        <h2 class="prompt">{group.prompt}</h2>
        {group.policyVersion !== null && (
          <p class="note">
            drawn by {group.policyVersion === 0 ? 'the base model' : `version ${group.policyVersion}`}
          </p>
        )}
      </header>
      <Tree
        group={group}
        toneOf={(picture) => toneOf(choosing, picture)}
        leaf={(picture) => <ChoosingLeaf choosing={choosing} picture={picture} />}
      />
      {isOpen ? (
        <ChoosingBar choosing={choosing} />
      ) : (
        <div class="choosing-bar">
          <p class="ask">{words}</p>
          {group.state !== 'drawing' && (
            <div class="buttons">
              <button type="button" onClick={onAgain}>
                Draw it again
              </button>
            </div>
          )}
        </div>
      )}
    </section>
  );
}

function FirstWords() {
  const pictures = runInfo.value?.feedback?.pictures ?? 4;
  return (
    <section class="first">
      <p>
        Write what you want to see, and {pictures} pictures grow from one beginning. Choose the one that
        follows your words best: the model learns from each choice.
      </p>
    </section>
  );
}
