import type { MessageInitShape } from '@bufbuild/protobuf';
import { GUARD_NAMES, type GuardName } from '../../guards/index.js';
import type { Control, GuardChange } from '../../messages/control-state.js';
import { GUARD_ACTIONS, type GuardAction } from '../../messages/control-state.js';
import type { ListedPrompt } from '../../messages/prompts.js';
import { MessageFault, messageCodec, requireField, requirePart } from './message-codec.js';
import { metadataFromWire, metadataToWire } from './metadata-wire.js';
import {
  ControlSchema,
  GuardAction as GuardActionWire,
  type GuardControl,
  type PromptList,
  type PromptListSchema,
} from './tributary_pb.js';

const ACTIONS: Readonly<Record<GuardAction, GuardActionWire>> = {
  off: GuardActionWire.OFF,
  warn: GuardActionWire.WARN,
  'lower-learning-rate': GuardActionWire.LOWER_LEARNING_RATE,
  stop: GuardActionWire.STOP,
};

/** What operators want of a run. Only the run knows whether a position lies in its schedule. */
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
      ...(prompts && { prompts: promptsToWire(prompts) }),
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
      prompts: prompts ? promptsFromWire(prompts) : null,
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

/** Lists without weights and metadata are written short. */
function promptsToWire(prompts: readonly ListedPrompt[]): MessageInitShape<typeof PromptListSchema> {
  const areAlike = prompts.every(({ weight }) => weight === 1);
  const haveNone = prompts.every(({ metadata }) => metadata === undefined);
  return {
    prompts: prompts.map(({ prompt }) => prompt),
    weights: areAlike ? [] : prompts.map(({ weight }) => weight),
    metadata: haveNone ? [] : prompts.map(({ metadata }) => metadataToWire(metadata).metadata ?? ''),
  };
}

function promptsFromWire({ prompts, weights, metadata }: PromptList): readonly ListedPrompt[] {
  requireField(prompts.length > 0, 'prompts', 'at least one prompt', 'none');
  for (const [name, list] of Object.entries({ weights, metadata }))
    requireField(
      list.length === 0 || list.length === prompts.length,
      `prompts.${name}`,
      `none, or ${prompts.length}, one a prompt`,
      list.length,
    );
  return prompts.map((prompt, index) => {
    requireField(prompt.trim() !== '', `prompts.prompts[${index}]`, 'a prompt', 'an empty one');
    const weight = weights[index] ?? 1;
    requireField(
      Number.isFinite(weight) && weight > 0,
      `prompts.weights[${index}]`,
      'a finite number above 0',
      weight,
    );
    return { prompt, weight, ...metadataFromWire(metadata[index], `prompts.metadata[${index}]`) };
  });
}
