import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readSchedulerConfig, schedulerConfigJson } from '../../../src/models/diffusion/scheduler-config.js';
import { STABLE_DIFFUSION } from './schedules.js';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scheduler-'));
  path = join(folder, 'scheduler_config.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('readSchedulerConfig', () => {
  test('should read the file that Stable Diffusion 1.5 ships', async () => {
    await writeFile(
      path,
      `{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule":
        "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null, "clip_sample": false}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
  });

  test('should read the files that SDXL and Stable Diffusion 2.1 ship', async () => {
    await writeFile(
      path,
      `{"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "interpolation_type": "linear",
        "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": null,
        "use_karras_sigmas": false}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
    await writeFile(
      path,
      `{"_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", "beta_end": 0.012, "beta_schedule":
        "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "num_train_timesteps": 1000, "prediction_type":
        "v_prediction", "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null}`,
    );
    expect(await readSchedulerConfig(path)).toEqual({ ...STABLE_DIFFUSION, predictionType: 'v_prediction' });
  });

  test('should leave out a spacing of sigmas, which belongs to another sampler', async () => {
    const config = { ...schedulerConfigJson(STABLE_DIFFUSION), _class_name: 'DPMSolverMultistepScheduler' };
    await writeFile(
      path,
      JSON.stringify({ ...config, use_karras_sigmas: true, algorithm_type: 'dpmsolver++' }),
    );
    expect(await readSchedulerConfig(path)).toEqual(STABLE_DIFFUSION);
  });

  test.each(['TCDScheduler', 'EDMEulerScheduler', 'DDIMInverseScheduler'])(
    'should refuse a scheduler that it does not know: %s',
    async (name) => {
      await writeFile(path, JSON.stringify({ _class_name: name }));
      await expect(readSchedulerConfig(path)).rejects.toThrow(`got "${name}". Correct the file`);
    },
  );

  test('should refuse schedulers of models that DDIM does not sample', async () => {
    await writeFile(path, '{"_class_name": "LCMScheduler"}');
    await expect(readSchedulerConfig(path)).rejects.toThrow(
      /_class_name: expected one of DDIMScheduler, .*PNDMScheduler.*, or FlowMatchEulerDiscreteScheduler, got "LCMScheduler"/,
    );
  });

  test('should read back what it writes', async () => {
    const config = {
      numTrainTimesteps: 500,
      betaStart: 0.001,
      betaEnd: 0.03,
      betaSchedule: 'squaredcos_cap_v2',
      predictionType: 'v_prediction',
      timestepSpacing: 'trailing',
      stepsOffset: 0,
      setAlphaToOne: true,
    } as const;
    await writeFile(path, JSON.stringify(schedulerConfigJson(config)));
    expect(await readSchedulerConfig(path)).toEqual(config);
  });

  test('should read the file that Stable Diffusion 3 ships as a flow, and read back what it writes', async () => {
    const config = { predictionType: 'flow', numTrainTimesteps: 1000, shift: 3 } as const;
    await writeFile(
      path,
      `{"_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.29.0.dev0",
        "num_train_timesteps": 1000, "shift": 3.0}`,
    );
    expect(await readSchedulerConfig(path)).toEqual(config);
    await writeFile(path, JSON.stringify(schedulerConfigJson({ ...config, shift: 1.5 })));
    expect(await readSchedulerConfig(path)).toEqual({ ...config, shift: 1.5 });
    await writeFile(path, '{"_class_name": "FlowMatchHeunDiscreteScheduler"}');
    expect(await readSchedulerConfig(path)).toEqual({ ...config, shift: 1 });
  });

  test.each([
    [
      { use_dynamic_shifting: true },
      'use_dynamic_shifting: expected false (the shift must not depend on the size of the picture), got true',
    ],
    [{ shift: 0 }, 'shift: expected a number above 0, got 0'],
    [
      { shift_terminal: 0.1 },
      'shift_terminal: expected null (only shifted, evenly spaced noise levels are read), got 0.1',
    ],
    [{ invert_sigmas: true }, 'invert_sigmas: expected false (noise must grow with sigma), got true'],
  ])('should refuse %j of a flow by name', async (content, text) => {
    await writeFile(path, JSON.stringify({ _class_name: 'FlowMatchEulerDiscreteScheduler', ...content }));
    const fault = expect.objectContaining({ code: 'TRIB_MODEL', message: expect.stringContaining(text) });
    await expect(readSchedulerConfig(path)).rejects.toEqual(fault);
  });

  test.each([
    [
      { beta_schedule: 'laplace' },
      'beta_schedule: expected one of linear, scaled_linear, squaredcos_cap_v2, got "laplace"',
    ],
    [
      { prediction_type: 'flow' },
      'prediction_type: expected one of epsilon, sample, v_prediction, got "flow"',
    ],
    [{ beta_end: 1.5 }, 'beta_end: expected a number in (0, 1), got 1.5'],
    [{ num_train_timesteps: '1000' }, 'num_train_timesteps: expected an integer of at least 2, got "1000"'],
    [
      { clip_sample: true },
      'clip_sample: expected false (a clipped step has no Gaussian policy mean), got true',
    ],
    [
      { _class_name: 'DPMSolverMultistepScheduler', use_flow_sigmas: true },
      'use_flow_sigmas: expected false (a flow is read from FlowMatchEulerDiscreteScheduler), got true',
    ],
    [
      { _class_name: 'EulerDiscreteScheduler', timestep_type: 'continuous' },
      'timestep_type: expected discrete (the network is told training timesteps), got "continuous"',
    ],
    [
      { rescale_betas_zero_snr: true },
      'rescale_betas_zero_snr: expected false (the first step would divide by zero), got true',
    ],
    [
      { thresholding: true },
      'thresholding: expected false (a thresholded step has no Gaussian policy mean), got true',
    ],
    [
      { timestep_spacing: 'karras' },
      'timestep_spacing: expected one of leading, trailing, linspace, got "karras"',
    ],
    [{ trained_betas: [0.1] }, 'trained_betas: expected null (only named schedules are read), got [0.1]'],
    [{ rescale_betas_zero_snr: true, steps_offset: -1 }, 'got -1 (and 1 more)'],
  ])('should refuse %j by name', async (content, text) => {
    await writeFile(path, JSON.stringify(content));
    const fault = expect.objectContaining({ code: 'TRIB_MODEL', message: expect.stringContaining(text) });
    await expect(readSchedulerConfig(path)).rejects.toEqual(fault);
    await expect(readSchedulerConfig(path)).rejects.toThrow(path);
  });

  test.each([
    ['', 'expected JSON, got an empty file'],
    ['{"beta_start": 0.0', 'expected JSON, got 18 characters that do not parse'],
    ['[]', 'content: expected an object, got []'],
  ])('should refuse the text %j', async (content, text) => {
    await writeFile(path, content);
    await expect(readSchedulerConfig(path)).rejects.toThrow(text);
  });
});
