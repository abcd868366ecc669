// The types as users meet them. `types/api-usage.ts` says what must and must not compile, and is checked with the
// project; here it is compiled by itself, to prove that what it says can fail.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, test } from 'vitest';
import type {} from './types/api-usage.js';

const file = fileURLToPath(new URL('types/api-usage.ts', import.meta.url));
const source = readFileSync(file, 'utf8');
const directive = /\/\/ @ts-expect-error/g;

describe('the usage of the public types', () => {
  let compile: (text: string) => readonly ts.Diagnostic[];

  beforeAll(() => {
    compile = makeCompiler();
  }, 60_000);

  test('compiles as it stands', () => {
    expect(compile(source).map(describeError)).toEqual([]);
  }, 60_000);

  test('has an error behind each expected one, and nowhere else', () => {
    const lines = source.split('\n');
    const expected = lines.flatMap((line, index) => (line.includes('// @ts-expect-error') ? [index + 1] : []));

    const errors = compile(source.replace(directive, '// expected:       '));

    expect(expected.length).toBeGreaterThan(30);
    expect([...new Set(errors.map(lineOf))].toSorted((a, b) => a - b)).toEqual(expected);
  }, 60_000);

  test('has comparisons of types that fail when the types are others', () => {
    const expected = source.split('\n').flatMap((line, index) => (/\bsame<.*\(true\)/.test(line) ? [index] : []));

    const errors = compile(source.replaceAll('>(true)', '>(false)'));

    expect(expected.length).toBeGreaterThan(30);
    expect([...new Set(errors.map(lineOf))].toSorted((a, b) => a - b)).toEqual(expected);
  }, 60_000);

  test('sees an expected error that is none any more', () => {
    const mended = source.replace("await runtime.publish(letter, 'k', 'b');", "await runtime.publish(letter, 'k', 'a');");

    expect(compile(mended).map(describeError)).toEqual([expect.stringContaining("Unused '@ts-expect-error' directive")]);
  }, 60_000);
});

/** Compiles a text in the place of the file, with the project's options. What does not change is read once. */
function makeCompiler(): (text: string) => readonly ts.Diagnostic[] {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const parsed = new Map<string, ts.SourceFile | undefined>();
  const readFile = host.getSourceFile.bind(host);
  let program: ts.Program | undefined;
  return (text) => {
    host.getSourceFile = (name, languageVersion) => {
      if (name === file) return ts.createSourceFile(name, text, languageVersion, true);
      if (!parsed.has(name)) parsed.set(name, readFile(name, languageVersion));
      return parsed.get(name);
    };
    program = ts.createProgram({ rootNames: [file], options, host, ...(program !== undefined && { oldProgram: program }) });
    const own = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(own), ...program.getSemanticDiagnostics(own)];
  };
}

/** The line, counted from 0, on which an error stands. */
function lineOf(error: ts.Diagnostic): number {
  return error.file?.getLineAndCharacterOfPosition(error.start ?? 0).line ?? -1;
}

function describeError(error: ts.Diagnostic): string {
  return `line ${lineOf(error) + 1}: ${ts.flattenDiagnosticMessageText(error.messageText, ' ')}`;
}
