/** @file Steering the run; each command says what it does, and is asked for again. */

import { useState } from 'preact/hooks';
import type { Control, ControlCommand, RunInfo } from '../../../client/types.js';
import { runAddress } from '../../api/addresses.js';
import { request, wordsOf } from '../../api/request.js';
import { announce } from '../../parts/announcer.jsx';
import { Dialog } from '../../parts/dialog.jsx';
import { runInfo } from '../../state/run.js';

interface Command extends ControlCommand {
  readonly label: string;
  readonly effect: string;
}

const hold: Command = {
  command: 'freeze',
  label: 'Hold the interval',
  effect: 'The interval of training stays where it is now, from the next round on. Training goes on.',
};
const letGo: Command = {
  command: 'unfreeze',
  label: 'Let it go on',
  effect: 'The interval goes on where the schedule would be by now, not where it was held.',
};
const MOVES: readonly Command[] = [
  {
    command: 'rewind',
    value: 1,
    label: 'Back',
    effect: 'The schedule goes one position back, from the next round on.',
  },
  {
    command: 'advance',
    value: 1,
    label: 'Ahead',
    effect: 'The schedule goes one position ahead, from the next round on.',
  },
];
const reset: Command = {
  command: 'reset',
  label: 'Back to the config',
  effect: 'Drops all changes that were made here or with `tributary control`.',
};
const SCALES = [0.1, 0.25, 0.5, 1, 2, 4];

const scale = (value: number): Command => ({
  command: 'learning-rate-scale',
  value,
  label: `Learning rate × ${value}`,
  effect: `The learning rate is ${value} times that of the config, from the next round on, besides what guards do.`,
});

export function Controls({ run }: { readonly run: RunInfo }) {
  const [asked, setAsked] = useState<Command | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const { canChange, reason, wanted } = run.control;
  const isHeld = wanted.schedule.frozenAt !== null;
  const button = (command: Command) => (
    <button type="button" disabled={!canChange} onClick={() => setAsked(command)}>
      {command.label}
    </button>
  );
  const close = () => {
    setAsked(null);
    setFault(null);
  };
  const act = async ({ command, value, label }: Command) => {
    try {
      const body = { command, ...(value !== undefined && { value }) };
      const answer = await request<{ readonly wanted: Control }>(`${runAddress(null)}/control`, { body });
      if (runInfo.value)
        runInfo.value = { ...runInfo.value, control: { ...runInfo.value.control, wanted: answer.wanted } };
      announce(`${label}: done.`);
      close();
    } catch (error) {
      setFault(wordsOf(error));
    }
  };
  return (
    <section class="panel" aria-labelledby="controls-title">
      <h2 id="controls-title">Steer</h2>
      <p class="note">{canChange ? inForce(wanted) : (reason ?? 'This run takes no commands.')}</p>
      <div class="buttons column">
        {button(isHeld ? letGo : hold)}
        <div class="buttons even">
          {MOVES.map((command) => (
            <span key={command.command}>{button(command)}</span>
          ))}
        </div>
        <label class="select">
          <span class="note">learning rate ×</span>
          <select
            disabled={!canChange}
            value={wanted.learningRateScale}
            onChange={({ currentTarget }) => {
              setAsked(scale(Number(currentTarget.value)));
              currentTarget.value = String(wanted.learningRateScale);
            }}
          >
            {[...new Set([...SCALES, wanted.learningRateScale])]
              .sort((a, b) => a - b)
              .map((value) => (
                <option key={value} value={value}>
                  {value}
                </option>
              ))}
          </select>
        </label>
        {wanted.version > 0 && button(reset)}
      </div>
      <Dialog title={asked?.label ?? ''} isOpen={asked !== null} onClose={close}>
        <p>{asked?.effect}</p>
        {fault !== null && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        <div class="buttons end">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="button" class="primary" onClick={() => asked && act(asked)}>
            {asked?.label}
          </button>
        </div>
      </Dialog>
    </section>
  );
}

/** What operators have changed. */
function inForce({ version, learningRateScale, schedule, guards, prompts }: Control): string {
  if (version === 0) return 'As the config says. Changes apply from the next round on.';
  const changes = [
    schedule.frozenAt !== null && `held at position ${schedule.frozenAt}`,
    schedule.frozenAt === null && schedule.shift !== 0 && `moved by ${schedule.shift}`,
    learningRateScale !== 1 && `learning rate × ${learningRateScale}`,
    Object.keys(guards).length > 0 && `guards changed: ${Object.keys(guards).join(', ')}`,
    prompts && `${prompts.length} other prompts`,
  ].filter((change) => change !== false && change !== null);
  return changes.length === 0 ? 'As the config says.' : `Now: ${changes.join('; ')}.`;
}
