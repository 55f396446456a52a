/** What is started as a process or a thread, and not imported: each becomes a file of its own, for tests and package. */
export const STARTED = [
  'src/cli/main.ts',
  'src/streams/stages/sampler/sampler-thread.ts',
  'src/streams/stages/reward/reward-thread.ts',
  'src/streams/stages/trainer/trainer-thread.ts',
  'src/streams/run/modules/modules-thread.ts',
  'src/streams/stages/gateway/serving-thread.ts',
  'src/models/engines/onnxruntime/engine-thread.ts',
  'src/models/engines/tfjs/engine-thread.ts',
  'src/models/shapes/pretraining/pretraining-thread.ts',
];
