import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Control, GuardChange } from '../../control/control-state.js';
import { GUARD_ACTIONS, type GuardAction } from '../../guards/guard-actions.js';
import { GUARD_NAMES, type GuardName } from '../../guards/index.js';
import { MessageFault, messageCodec, requireField, requirePart } from './message-codec.js';
import { ControlSchema, GuardAction as GuardActionWire, type GuardControl } from './tributary_pb.js';

const ACTIONS: Readonly<Record<GuardAction, GuardActionWire>> = {
  off: GuardActionWire.OFF,
  warn: GuardActionWire.WARN,
  'lower-learning-rate': GuardActionWire.LOWER_LEARNING_RATE,
  stop: GuardActionWire.STOP,
};

/** What operators want of a run. Whether a position lies in its schedule only the run knows. */
export const controlCodec = messageCodec({
  kind: 'control',
  schema: ControlSchema,
  toWire: (control: Control): MessageInitShape<typeof ControlSchema> => {
    const { version, learningRateScale, guards, schedule, prompts } = control;
    const { shift, frozenAt } = schedule;
    return {
      version,
      learningRateScale,
      guards: Object.fromEntries(
        Object.entries(guards).map(([name, { threshold, action }]) => [
          name,
          { ...(threshold !== undefined && { threshold }), ...(action && { action: ACTIONS[action] }) },
        ]),
      ),
      schedule: { shift, ...(frozenAt !== null && { frozenAt }) },
      ...(prompts && { prompts: { prompts: [...prompts] } }),
    };
  },
  fromWire: ({ version, learningRateScale, guards, schedule, prompts }): Control => {
    requireField(version > 0, 'version', 'at least 1', version);
    requireField(
      Number.isFinite(learningRateScale) && learningRateScale > 0,
      'learning_rate_scale',
      'a finite number above 0',
      learningRateScale,
    );
    const { shift, frozenAt } = requirePart(schedule, 'schedule');
    return {
      version,
      learningRateScale,
      guards: Object.fromEntries(Object.entries(guards).map(guardChange)),
      schedule: { shift, frozenAt: frozenAt ?? null },
      prompts: prompts ? promptsFrom(prompts.prompts) : null,
    };
  },
});

function guardChange([name, wire]: [string, GuardControl]): [GuardName, GuardChange] {
  const path = `guards[${JSON.stringify(name.slice(0, 40))}]`;
  const guard = GUARD_NAMES.find((one) => one === name);
  if (guard === undefined) throw new MessageFault(path, `one of ${GUARD_NAMES.join(', ')}`, 'another name');
  const { threshold, action } = wire;
  requireField(threshold !== undefined || action !== undefined, path, 'a threshold or an action', 'neither');
  requireField(
    threshold === undefined || (Number.isFinite(threshold) && threshold >= 0),
    `${path}.threshold`,
    'a finite number of at least 0',
    threshold,
  );
  return [
    guard,
    {
      ...(threshold !== undefined && { threshold }),
      ...(action !== undefined && { action: actionOf(action, path) }),
    },
  ];
}

function actionOf(wire: GuardActionWire, path: string): GuardAction {
  const action = GUARD_ACTIONS.find((one) => ACTIONS[one] === wire);
  if (action === undefined) throw new MessageFault(`${path}.action`, GUARD_ACTIONS.join(', '), String(wire));
  return action;
}

function promptsFrom(prompts: readonly string[]): readonly string[] {
  requireField(prompts.length > 0, 'prompts', 'at least one prompt', 'none');
  const empty = prompts.findIndex((prompt) => prompt.trim() === '');
  requireField(empty < 0, `prompts.prompts[${empty}]`, 'a prompt', 'an empty one');
  return prompts;
}
