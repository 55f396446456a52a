/** @file Rate: the groups that wait, one after another. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { ServedGroup } from '../../client/types.js';
import { pictureAddress } from '../api/addresses.js';
import { announce } from '../parts/announcer.jsx';
import { ChoosingBar, ChoosingLeaf, useChoosing } from '../parts/choosing.jsx';
import { Tree } from '../parts/tree.jsx';
import { UndoBar } from '../parts/undo-bar.jsx';
import { taken } from '../state/choices.js';
import { agreements, loadQueue, queue } from '../state/groups.js';
import { hrefOf } from '../state/route.js';

const FEW = 5;

export function RateView() {
  // A choice that was undone puts its group back where it was, at the front.
  const group = queue.value[0];
  const count = queue.value.length;
  useEffect(() => {
    if (count < FEW) loadQueue().catch(() => undefined);
  }, [count]);
  return (
    <>
      <Progress waiting={count} />
      {group ? (
        <Rated group={group} />
      ) : (
        <section class="first">
          <h2 class="prompt">Nothing waits.</h2>
          <p>
            New groups appear here as they are drawn. <a href={hrefOf('draw')}>Draw some yourself</a>, or{' '}
            <a href={hrefOf('watch')}>watch what the model learns</a>.
          </p>
        </section>
      )}
      <UndoBar />
      <Ahead />
    </>
  );
}

function Rated({ group }: { readonly group: ServedGroup }) {
  const choosing = useChoosing(group);
  const [isTree, setTree] = useState(false);
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    announce(`${group.prompt}. ${group.pictures} pictures.`);
    // A button that had the focus is gone with its group; the page must not lose its place.
    if (document.activeElement === document.body) section.current?.focus({ preventScroll: true });
  }, [group.id, group.prompt, group.pictures]);
  const leaf = (picture: number) => <ChoosingLeaf choosing={choosing} picture={picture} />;
  const pictures = Array.from({ length: group.pictures }, (_, picture) => picture);
  return (
    <section class="drawn rated" ref={section} tabIndex={-1} aria-label={group.prompt}>
      <header class="drawn-head">
        <h2 class="prompt">{group.prompt}</h2>
        <label class="switch note">
          <input
            type="checkbox"
            checked={isTree}
            onChange={({ currentTarget }) => setTree(currentTarget.checked)}
          />
          show the tree
        </label>
      </header>
      {isTree ? (
        <Tree group={group} leaf={leaf} toneOf={() => ''} key={group.id} />
      ) : (
        <div class="row-of-leaves" key={group.id}>
          {pictures.map((picture) => (
            <div class="leaf-place" key={picture}>
              {leaf(picture)}
            </div>
          ))}
        </div>
      )}
      <ChoosingBar choosing={choosing} />
    </section>
  );
}

function Progress({ waiting }: { readonly waiting: number }) {
  const known = agreements.value;
  const agreement = known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0) / known.length;
  return (
    <dl class="facts">
      <div>
        <dt>to rate</dt>
        <dd>{waiting}</dd>
      </div>
      <div>
        <dt>rated by you</dt>
        <dd>{taken.value}</dd>
      </div>
      <div>
        <dt>agreement among raters</dt>
        <dd>{agreement === null ? '–' : `${Math.round(100 * agreement)} %`}</dd>
      </div>
    </dl>
  );
}

/** Loads the pictures of the next group, so that it is there at once. */
function Ahead() {
  const next = queue.value[1];
  if (!next) return null;
  return (
    <div hidden>
      {Array.from({ length: next.pictures }, (_, picture) => (
        <img key={picture} src={pictureAddress(next.id, picture)} alt="" />
      ))}
    </div>
  );
}
