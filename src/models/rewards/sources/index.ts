/** @file The reward sources that stand on their own, one line each. A new one is a file beside this one and a line here. */

import { Catalog } from '../../../catalog.js';
import { aesthetic } from './aesthetic.js';
import { clipScore } from './clip-score.js';
import { dualEncoderReward } from './dual-encoder.js';
import { httpReward } from './http.js';
import { jpegCompressibility, jpegIncompressibility } from './jpeg-size.js';
import { moduleReward } from './module.js';
import { onnxReward } from './onnx.js';
import { vlmCaption } from './vlm-caption.js';
import { vlmJudge } from './vlm-judge.js';
import { vlmQuestion } from './vlm-question.js';

export const SOURCES = new Catalog('from', [
  dualEncoderReward,
  httpReward,
  clipScore,
  aesthetic,
  jpegCompressibility,
  jpegIncompressibility,
  onnxReward,
  vlmQuestion,
  vlmCaption,
  vlmJudge,
  moduleReward,
]);
