import { hostname } from 'node:os';

/** What this process is called where others see it. */
export const processName = (): string => `tributary process ${process.pid} on ${hostname()}`;
