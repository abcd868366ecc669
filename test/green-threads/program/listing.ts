// A program as a person reads it: what is printed of one that failed.

import { type Block, blocksOf, type Program, type Step } from './program.js';

/** The program, a line a step. Every block begins with its name, which is how its lines in a trace begin. */
export function listingOf(program: Program): string {
  const primitives = [
    ...program.pools.map(({ size }, index) => `pool ${index} of ${size}`),
    ...program.queues.map(({ capacity, order }, index) => `${order} queue ${index} for ${capacity ?? 'any number'}`),
    ...program.semaphores.map(({ permits }, index) => `semaphore ${index} of ${permits}`),
  ];
  const events = program.events.map((at, index) => `event ${index} at ${at}.5 s`);
  if (program.cancelAt !== null) events.push(`cancelled at ${program.cancelAt}.75 s`);
  if (program.isPassivated) events.push('passivated at every wait');
  return [primitives.join(', '), events.join(', '), ...blockLines(program.body, '')].filter((line) => line !== '').join('\n');
}

function blockLines(block: Block, indent: string): string[] {
  const lines = [`${indent}${block.name} (${block.temper})`];
  for (const [index, step] of block.steps.entries()) lines.push(...stepLines(step, `${indent}  ${index} `, `${indent}    `));
  if (block.cleanup.length > 0) lines.push(`${indent}  finally`);
  for (const [index, step] of block.cleanup.entries()) lines.push(...stepLines(step, `${indent}    f${index} `, `${indent}      `));
  return lines;
}

function stepLines(step: Step, lead: string, indent: string): string[] {
  return [`${lead}${phraseOf(step)}`, ...blocksOf(step).flatMap((block) => blockLines(block, indent))];
}

function phraseOf(step: Step): string {
  const { op, ...rest } = step;
  const details = Object.entries(rest).flatMap(([name, value]) => (typeof value === 'object' ? [] : [`${name} ${value}`]));
  return [op, ...details].join(' ');
}
