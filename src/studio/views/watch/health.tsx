/** @file What went wrong, and who works on the run. */

import type { RunInfo } from '../../../client/types.js';
import { runTable, tick } from '../../state/run.js';

const SHOWN = 8;
const time = (iso: string) => new Date(iso).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

/** An alarm of the last rounds, where it cannot be overlooked. */
export function NewestAlarm() {
  const RECENT = 5;
  tick.value;
  const { alarms, newest } = runTable();
  const [alarm] = alarms;
  if (!alarm || alarm.round < (newest?.round ?? 0) - RECENT) return null;
  return (
    <p class="fault" role="alert">
      <b>{alarm.guard}</b> after {alarm.round} rounds: {alarm.message}
    </p>
  );
}

export function Alarms() {
  tick.value;
  const { alarms } = runTable();
  return (
    <section class="panel" aria-labelledby="alarms-title">
      <h2 id="alarms-title">Alarms</h2>
      {alarms.length === 0 ? (
        <p class="note">None.</p>
      ) : (
        <ul class="events">
          {alarms.slice(0, SHOWN).map((alarm) => (
            <li key={`${alarm.time}-${alarm.guard}`} class="bad">
              <b>{alarm.guard}</b> <time dateTime={alarm.time}>{time(alarm.time)}</time>
              <p>{alarm.message}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function DeadLetters({ run: { deadLetters } }: { readonly run: RunInfo }) {
  return (
    <section class="panel" aria-labelledby="dead-title">
      <h2 id="dead-title">
        Dead letters <small>{deadLetters.length > 0 && deadLetters.length}</small>
      </h2>
      {deadLetters.length === 0 ? (
        <p class="note">None.</p>
      ) : (
        <ul class="events">
          {deadLetters.slice(0, SHOWN).map(({ stage, group, reason }, index) => (
            <li key={`${index}-${group}`}>
              <b>{stage}</b> {group && <span class="note">group {group}</span>}
              <p>{reason}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Groups that were not trained on, over the whole run. */
export function Lost() {
  tick.value;
  const sum = (column: string) =>
    runTable()
      .column(column)
      .reduce<number>((total, value) => total + (value ?? 0), 0);
  const counts = [
    ['lost', sum('lost')],
    ['stale', sum('stale')],
    ['late', sum('late')],
    ['judged by people', sum('outside')],
  ] as const;
  return (
    <section class="panel" aria-labelledby="lost-title">
      <h2 id="lost-title">Groups</h2>
      <dl class="counts">
        {counts.map(([name, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Who is at work in each role, and in which nobody is. */
export function Workers({ run: { workers } }: { readonly run: RunInfo }) {
  if (workers.length === 0) return null;
  const roles = [...new Set(workers.map(({ role }) => role))];
  return (
    <section class="panel" aria-labelledby="workers-title">
      <h2 id="workers-title">At work</h2>
      <ul class="workers">
        {roles.map((role) => {
          const words = workers.filter((worker) => worker.role === role).flatMap(workOf);
          return (
            <li key={role} class={words.length === 0 ? 'bad' : undefined}>
              <b>{role}</b>
              <span class="note">{words.length === 0 ? 'nobody' : words.join('; ')}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** The process, and what it did last; nothing where there is none. */
function workOf({ process, groups, idleShare, seenAt }: RunInfo['workers'][number]): string[] {
  if (process === undefined) return [];
  const words = [
    process.replace(/^tributary /, ''),
    groups === undefined ? undefined : `${groups} groups`,
    idleShare === undefined ? undefined : `${Math.round(100 * idleShare)} % idle`,
    seenAt && `seen ${time(seenAt)}`,
  ];
  return [words.filter(Boolean).join(', ')];
}
