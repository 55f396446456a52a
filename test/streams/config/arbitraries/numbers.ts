import fc from 'fast-check';

export const positive = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
export const nonNegative = fc.double({ min: 0, max: 1e9, noNaN: true });
/** Strictly between 0 and 1. */
export const share = fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true });
export const count = (max: number) => fc.integer({ min: 1, max });
