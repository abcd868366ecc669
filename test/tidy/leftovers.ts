// What must not stay behind when work is done. The words are put together from halves, so that this file and
// its test do not report themselves.

import ts from 'typescript';
import { lineAt, nodesOf, placeOf, type SourceFile, type TextFile } from './tree.js';

export const markers = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'];
export const machineFolders = ['work', 'root', 'home', 'Users'].map((name) => `/${name}/`);

const marker = new RegExp(`\\b(?:${markers.join('|')})\\b`);
// Not behind a word or a dot: "src/work/" and "../work/" are places in a project, not on a machine.
const machinePath = new RegExp(`(?<![\\w.~*\\]}-])(?:${machineFolders.join('|')})`);
const testCallers = new Set(['test', 'it', 'describe', 'suite', 'context', 'ctx']);

/** Lines with a marker of unfinished work. */
export function leftMarkers(file: TextFile): string[] {
  return matchingLines(file, marker, 'has a marker of unfinished work');
}

/** Lines that name a folder of the machine they were written on. */
export function machinePaths(file: TextFile): string[] {
  return matchingLines(file, machinePath, 'names a folder of one machine');
}

/** Stops for a debugger. */
export function debuggerStops(file: SourceFile): string[] {
  return [...nodesOf(file.tree)].filter(ts.isDebuggerStatement).map((node) => `${placeOf(file, node)} stops for a debugger`);
}

/**
 * Tests that keep others from running, or do not run themselves and do not say why. A reason is a text given to
 * `context.skip`, or for `test.skip` and `describe.skip` a comment "skipped: ..." on the line or the one above.
 */
export function unrunTests(file: SourceFile): string[] {
  return [...nodesOf(file.tree)].flatMap((node) => {
    const word = unrunWord(file, node);
    if (word === undefined || (word === 'skip' && hasReason(file, node))) return [];
    return [`${placeOf(file, node)} ${word} ${word === 'skip' ? 'without a reason' : 'must not stay'}`];
  });
}

function unrunWord(file: SourceFile, node: ts.Node): string | undefined {
  const name = ts.isPropertyAccessExpression(node)
    ? testModifier(file, node)
    : ts.isPropertyAssignment(node)
      ? testOption(node)
      : undefined;
  return name !== undefined && ['only', 'skip', 'todo'].includes(name) ? name : undefined;
}

/** `skip` of `test.skip`, `test.skip.each`, or in a test of anything else that is called: `given.skip()`. */
function testModifier(file: SourceFile, node: ts.PropertyAccessExpression): string | undefined {
  let object: ts.Expression = node.expression;
  while (ts.isPropertyAccessExpression(object) || ts.isCallExpression(object)) object = object.expression;
  const isOfTest = ts.isIdentifier(object) && testCallers.has(object.text);
  const isCalled = file.path.startsWith('test/') && ts.isCallExpression(node.parent) && node.parent.expression === node;
  return isOfTest || isCalled ? node.name.text : undefined;
}

/** `skip` of `test('...', { skip: true }, fn)`. */
function testOption(node: ts.PropertyAssignment): string | undefined {
  const call = node.parent.parent;
  const isOfTest = ts.isCallExpression(call) && ts.isIdentifier(call.expression) && testCallers.has(call.expression.text);
  return isOfTest && node.initializer.kind !== ts.SyntaxKind.FalseKeyword ? node.name.getText() : undefined;
}

function hasReason(file: SourceFile, node: ts.Node): boolean {
  const call = node.parent;
  if (ts.isCallExpression(call) && call.expression === node) {
    const last = call.arguments.at(-1);
    if (last !== undefined && (ts.isStringLiteralLike(last) || ts.isTemplateExpression(last)) && last.getText().length > 2) return true;
  }
  const line = lineAt(file, node.getStart(file.tree));
  const nearby = file.text.split('\n').slice(Math.max(0, line - 2), line);
  return nearby.some((text) => /\/\/.*\bskipped: \S/.test(text));
}

function matchingLines(file: TextFile, pattern: RegExp, complaint: string): string[] {
  return file.text
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1} ${complaint}: ${line.trim()}`] : []));
}
