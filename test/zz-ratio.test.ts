import { it } from 'vitest';
import { emulatedHalf } from '/work/wt-half/test/fixtures/emulated-half.js';
import { openTiny, openTinyTrainer, stepsFrom, TINY_LORA, randomAdapter } from '/work/wt-half/test/fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '/work/wt-half/test/fixtures/sample-tiny.js';
it('ratio', async () => {
  const tiny = await openTiny();
  for (const [label, engine] of [['ort', tiny.engine], ['emulated', emulatedHalf(tiny.engine)]] as const) {
    const opened = { ...tiny, engine };
    for (const guidanceScale of [1, 2]) for (const rows of [4]) {
      const steps = stepsFrom(0);
      const { samples, state } = await sampleTiny(opened, { guidanceScale, groupsPerBatch: 4 }, steps, 0.3, 'float16');
      const trainer = await openTinyTrainer(opened, { precision: 'float16', guidanceScale });
      const r = await trainer.logRatios({ samples, trainedSteps: steps }, state.parameters);
      const a = [...(r ?? [])].map(Math.abs);
      const byStep = steps.map((s) => Math.max(...a.filter((_, i) => i % steps.length === s)).toExponential(1));
      console.log(label, 'guidance', guidanceScale, 'rows', rows, 'max', Math.max(...a), 'mean', a.reduce((x, y) => x + y) / a.length, byStep.join(' '));
    }
  }
  await tiny.close();
}, 600000);
