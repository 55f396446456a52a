import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { controlCodec } from '../../../../src/streams/transport/wire/control-codec.js';
import { ControlSchema, GuardAction } from '../../../../src/streams/transport/wire/tributary_pb.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { listed } from '../../../fixtures/listed-prompts.js';

type Fields = Exclude<MessageInitShape<typeof ControlSchema>, { $typeName: string }>;

const WHOLE: Fields = { version: 3, learningRateScale: 0.5, schedule: { shift: -2 } };
const decoded = (changes: Fields) =>
  controlCodec.decode(toBinary(ControlSchema, create(ControlSchema, { ...WHOLE, ...changes } as Fields)));

describe('a control message', () => {
  it('should tell what is absent from what is zero', () => {
    expect(decoded({})).toEqual({
      version: 3,
      learningRateScale: 0.5,
      guards: {},
      schedule: { shift: -2, frozenAt: null },
      prompts: null,
    });
    const guards = { ratioDrift: { threshold: 0 }, rewardCollapse: { action: GuardAction.OFF } };
    expect(decoded({ schedule: { frozenAt: 0 }, guards })).toMatchObject({
      schedule: { shift: 0, frozenAt: 0 },
      guards: { ratioDrift: { threshold: 0 }, rewardCollapse: { action: 'off' } },
    });
  });

  it('should read a list of prompts without weights and metadata as alike, and one with them as it is', () => {
    expect(decoded({ prompts: { prompts: ['a', 'b'] } }).prompts).toEqual(listed('a', 'b'));
    const prompts = { prompts: ['a', 'b'], weights: [2, 0.5], metadata: ['', '{"x":1}'] };
    expect(decoded({ prompts }).prompts).toEqual([
      { prompt: 'a', weight: 2 },
      { prompt: 'b', weight: 0.5, metadata: { x: 1 } },
    ]);
  });

  it('should read back every number of metadata that a prompt file may hold', () => {
    // JavaScript writes it without an exponent: 100000000000000000000.
    const prompts = [{ prompt: 'a', weight: 1, metadata: { seen: 1e20, rows: 2 ** 60 } }];
    const control = { ...decoded({}), prompts };
    expect(controlCodec.decode(controlCodec.encode(control)).prompts).toEqual(prompts);
  });

  it.each<[string, Fields]>([
    [
      'prompts.weights: expected none, or 2, one a prompt, got 1',
      { prompts: { prompts: ['a', 'b'], weights: [1] } },
    ],
    [
      'prompts.weights[0]: expected a finite number above 0, got 0',
      { prompts: { prompts: ['a'], weights: [0] } },
    ],
    [
      'prompts.metadata[0]: expected a JSON object, got a list',
      { prompts: { prompts: ['a'], metadata: ['[]'] } },
    ],
    ['prompts.metadata[0]: expected JSON, got "b}"', { prompts: { prompts: ['a'], metadata: ['{b}'] } }],
    ['version: expected at least 1, got 0', { version: 0 }],
    ['learning_rate_scale: expected a finite number above 0, got 0', { learningRateScale: 0 }],
    ['learning_rate_scale: expected a finite number above 0, got -1', { learningRateScale: -1 }],
    ['learning_rate_scale: expected a finite number above 0, got NaN', { learningRateScale: Number.NaN }],
    [
      'learning_rate_scale: expected a finite number above 0, got Infinity',
      { learningRateScale: Number.POSITIVE_INFINITY },
    ],
    ['schedule: expected a value, got nothing', { schedule: undefined }],
    ['guards["drift"]: expected one of rewardCollapse, ratioDrift,', { guards: { drift: { threshold: 1 } } }],
    ['guards["toString"]: expected one of', { guards: { toString: { threshold: 1 } } } as Fields],
    ['guards["ratioDrift"]: expected a threshold or an action, got neither', { guards: { ratioDrift: {} } }],
    [
      'guards["ratioDrift"].threshold: expected a finite number of at least 0, got -0.1',
      { guards: { ratioDrift: { threshold: -0.1 } } },
    ],
    [
      'guards["ratioDrift"].action: expected off, warn, lower-learning-rate, stop, got 0',
      { guards: { ratioDrift: { action: GuardAction.GUARD_ACTION_UNSPECIFIED } } },
    ],
    ['prompts: expected at least one prompt, got none', { prompts: {} }],
    ['prompts.prompts[1]: expected a prompt, got an empty one', { prompts: { prompts: ['a', ' '] } }],
  ])('should be refused: %s', async (words, changes) => {
    const [code, message] = await faultOf(() => decoded(changes));
    expect(code).toBe('TRIB_MESSAGE');
    expect(message).toContain(`control ${words}`);
  });
});
