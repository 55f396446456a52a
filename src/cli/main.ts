#!/usr/bin/env node
/** @file The program `tributary`: a process that runs one command. */
import { report, runProgram } from './program.js';

// `tributary graph ... | head` closes the pipe early, which is fine.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(report(error));
});

const status = await runProgram(process.argv.slice(2));
// A command that has done its work may have set a status too.
if (status !== 0) process.exitCode = status;

// Whatever a client has left open, such as a connection that it keeps retrying, must not keep the program running.
setTimeout(() => process.exit(), 5000).unref();
