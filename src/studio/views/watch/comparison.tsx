/** @file What people chose between the policy that they are given and the next one. */

import { writeShare } from '../../../streams/report/figures.js';
import { runTable, tick } from '../../state/run.js';

type Canary = NonNullable<NonNullable<ReturnType<typeof runTable>['newest']>['canary']>;

const VERDICTS: Readonly<Record<Canary['verdict'], string>> = {
  hold: 'The choices do not tell yet.',
  promote: 'The next policy took its place.',
  'roll-back': 'The next policy was dropped, and training went back.',
};

/** Nothing where the run compares no policies, or has none to compare yet. */
export function Comparison() {
  tick.value;
  const canary = runTable().newest?.canary;
  if (!canary || canary.canary === null) return null;
  const { stable, wins, losses, ties, interval, verdict } = canary;
  const [lower, upper] = interval;
  const counts = [
    [`next, version ${canary.canary}`, wins],
    [`in use, version ${stable}`, losses],
    ['neither', ties],
  ] as const;
  return (
    <section class="panel" aria-labelledby="comparison-title">
      <h2 id="comparison-title">Next policy</h2>
      <dl class="counts">
        {counts.map(([name, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
      <p class="note">
        {wins + losses > 0 &&
          `Chosen ${writeShare(wins / (wins + losses))}, between ${writeShare(lower)} and ${writeShare(upper)}. `}
        {VERDICTS[verdict]}
      </p>
    </section>
  );
}
