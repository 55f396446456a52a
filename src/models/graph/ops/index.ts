export * from './convolution.js';
export * from './elementwise.js';
export * from './linear.js';
export * from './movement.js';
export * from './normalization.js';
export * from './reduction.js';
