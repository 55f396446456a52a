import { describe, expect, it } from 'vitest';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { freeze, scaleLearningRate } from '../../../src/streams/control/control-changes.js';
import { operateWithin } from '../../../src/streams/control/operate-control.js';
import { createRunControl } from '../../../src/streams/control/run-control.js';
import { UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { RUN_KEY } from '../../../src/streams/messages/messages.js';
import { stageBench } from '../stages/stage-bench.js';

function open() {
  const { config, transport } = stageBench([]).context;
  const operator = operateWithin(config, transport, () => undefined);
  const tell = (round: number, isOver = false) =>
    transport.publish('progress', {
      key: RUN_KEY,
      message: progressAt(config, round, { isOver, position: round }),
    });
  return { transport, operator, tell };
}

describe('operateWithin', () => {
  it('should change a run of its own process, from the next round on', async () => {
    const { transport, operator, tell } = open();
    expect(await operator.wanted()).toEqual(UNCONTROLLED);
    await tell(1);
    const control = createRunControl(transport, UNCONTROLLED);
    const following = control.follow$.subscribe();
    await operator.change(scaleLearningRate(0.5));
    expect(await operator.change(freeze(null))).toMatchObject({ version: 2, schedule: { frozenAt: 1 } });
    expect(control.inForce().learningRateScale).toBe(1);
    control.beginRound(2);
    expect(control.inForce()).toEqual(await operator.wanted());
    expect(control.inForce().learningRateScale).toBe(0.5);
    following.unsubscribe();
  });

  it('should refuse what the run cannot do, and everything when it is over', async () => {
    const { operator, tell } = open();
    const refused = { code: 'TRIB_USAGE' };
    await expect(operator.change(freeze(1e6))).rejects.toMatchObject(refused);
    await tell(1, true);
    await expect(operator.change(freeze(0))).rejects.toMatchObject(refused);
    expect(await operator.wanted()).toEqual(UNCONTROLLED);
  });
});
