/** @file Trees that were trained on, the newest first. */

import { useComputed } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RoundTrees } from '../../../streams/messages/round-trees.js';
import { drawTree } from '../../../streams/report/trees/draw-tree.js';
import { runAddress, treesAddress } from '../../api/addresses.js';
import { request } from '../../api/request.js';
import { useSheet } from '../../parts/picture.jsx';
import { runTable, tick } from '../../state/run.js';

const SHEET = 'run-trees-sheet';

/** Asks for something again when a round has been trained, at most every some seconds; null before the first answer. */
export function usePerRound<Answer>(address: string): Answer | null {
  const EVERY_MS = 5000;
  const [answer, setAnswer] = useState<Answer | null>(null);
  const round = useComputed(() => {
    tick.value;
    return Math.max(runTable().newest?.round ?? -1, runTable().measured?.round ?? -1);
  }).value;
  const last = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const ask = () => {
      last.current = performance.now();
      request<Answer>(address).then(setAnswer, () => undefined);
    };
    const timer = setTimeout(ask, Math.max(0, last.current + EVERY_MS - performance.now()));
    return () => clearTimeout(timer);
  }, [address, round]);
  return answer;
}

export function RunTrees() {
  const known = usePerRound<{ readonly rounds: readonly number[] }>(`${runAddress(null)}/trees`);
  const [wanted, setWanted] = useState<number | null>(null);
  const rounds = known?.rounds ?? [];
  const round = wanted !== null && rounds.includes(wanted) ? wanted : (rounds.at(-1) ?? null);
  const [trees, setTrees] = useState<RoundTrees | null>(null);
  useEffect(() => {
    if (round === null) return;
    const abort = new AbortController();
    request<RoundTrees>(treesAddress(null, round, 'json'), { signal: abort.signal }).then(
      setTrees,
      () => undefined,
    );
    return () => abort.abort();
  }, [round]);
  if (round === null || !trees) return null;
  const place = rounds.indexOf(round);
  const go = (to: number) => setWanted(to === rounds.length - 1 ? null : (rounds[to] ?? null));
  return (
    <section class="panel" aria-labelledby="trees-title">
      <div class="panel-head">
        <h2 id="trees-title">
          Trees of round {trees.round + 1}
          {wanted === null && <small> the newest</small>}
        </h2>
        <div class="segments">
          <button
            type="button"
            disabled={place <= 0}
            onClick={() => go(place - 1)}
            aria-label="Earlier trees"
          >
            ←
          </button>
          <button
            type="button"
            disabled={place >= rounds.length - 1}
            onClick={() => go(place + 1)}
            aria-label="Later trees"
          >
            →
          </button>
        </div>
      </div>
      <p class="note legend-words">
        <span class="up">made more likely</span> <span class="down">made less likely</span>{' '}
        <span class="out">left out</span>
      </p>
      <DrawnTrees trees={trees} />
    </section>
  );
}

function DrawnTrees({ trees }: { readonly trees: RoundTrees }) {
  const sheet = useSheet(treesAddress(null, trees.round, 'png'));
  if (!sheet) return null;
  return (
    <div class="run-trees">
      <svg class="sheet" width="0" height="0" aria-hidden="true">
        <defs>
          <image
            id={SHEET}
            class={trees.sheet.scale > 1 ? 'crisp' : ''}
            width={sheet.width}
            height={sheet.height}
            href={sheet.src}
          />
        </defs>
      </svg>
      {trees.trees.map((tree) => (
        <figure class="run-tree" key={tree.groupId}>
          <figcaption>{tree.prompt}</figcaption>
          <Svg markup={drawTree(tree, { ...trees, sheetId: SHEET })} />
        </figure>
      ))}
    </div>
  );
}

/** Markup of the report, which escapes all that it did not make itself. */
function Svg({ markup }: { readonly markup: string }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (ref.current) ref.current.innerHTML = markup;
  }, [markup]);
  return <div ref={ref} />;
}
