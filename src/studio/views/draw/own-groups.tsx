/** @file One's own groups, the newest first. */

import { useState } from 'preact/hooks';
import type { ServedGroup } from '../../../client/types.js';
import { pictureAddress } from '../../api/addresses.js';
import { Picture } from '../../parts/picture.jsx';
import { ownGroups, verdictOn } from '../../state/groups.js';
import { hrefOf } from '../../state/route.js';
import { badgeOf } from '../state-words.js';

const THUMBNAILS = 4;
const FEW = 12;

export function OwnGroups({ shown }: { readonly shown: string | null }) {
  const [isAll, setAll] = useState(false);
  const groups = ownGroups.value.filter(({ state }) => state !== 'drawing');
  if (groups.length === 0) return null;
  const open = groups.filter((group) => group.state === 'waiting' && !verdictOn(group.id)).length;
  return (
    <section class="own" aria-labelledby="own-title">
      <h2 id="own-title">
        Yours <small>{open > 0 ? `${open} to choose from` : `${groups.length} so far`}</small>
      </h2>
      <ul class="cards">
        {groups.slice(0, isAll ? groups.length : FEW).map((group) => (
          <li key={group.id}>
            <Card group={group} isShown={group.id === shown} />
          </li>
        ))}
      </ul>
      {!isAll && groups.length > FEW && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show all {groups.length}
        </button>
      )}
    </section>
  );
}

function Card({ group, isShown }: { readonly group: ServedGroup; readonly isShown: boolean }) {
  const { id, prompt, pictures, size } = group;
  const verdict = verdictOn(id);
  const badge = badgeOf(group, verdict);
  const best = verdict && 'best' in verdict ? verdict.best : null;
  const thumbnails = Array.from({ length: Math.min(THUMBNAILS, pictures) }, (_, picture) => picture);
  return (
    <a
      class="card"
      href={hrefOf('draw', id)}
      aria-current={isShown ? 'true' : undefined}
      onClick={() => scrollTo({ top: 0 })}
    >
      <span class="thumbnails">
        {thumbnails.map((picture) => (
          <span key={picture} class={picture === best ? 'chosen' : best === null ? '' : 'faded'}>
            <Picture src={pictureAddress(id, picture)} alt="" size={size} />
          </span>
        ))}
      </span>
      <span class="card-prompt">{prompt}</span>
      <span class={`badge ${badge.tone}`}>{badge.words}</span>
    </a>
  );
}
