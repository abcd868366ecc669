// A file is one noun and a function fits a screen: their lengths, counted in lines as they stand.

import ts from 'typescript';
import { lineAt, nodesOf, placeOf, type SourceFile } from './tree.js';

export const fileLinesMax = 400;
export const functionLinesMax = 70;

/** Files with too many lines. */
export function longFiles(file: SourceFile): string[] {
  const lines = file.text.replace(/\n$/, '').split('\n').length;
  return lines > fileLinesMax ? [`${file.path} has ${lines} lines, more than ${fileLinesMax}`] : [];
}

/** Functions with too many lines. A callback of `describe` is a chapter, not a function, and is not counted. */
export function longFunctions(file: SourceFile): string[] {
  return [...nodesOf(file.tree)].filter(ts.isFunctionLike).flatMap((node) => {
    const lines = lineAt(file, node.getEnd()) - lineAt(file, node.getStart(file.tree)) + 1;
    if (lines <= functionLinesMax || (file.path.startsWith('test/') && isDescribeCallback(node))) return [];
    return [`${placeOf(file, node)} ${nameOf(node)} has ${lines} lines, more than ${functionLinesMax}`];
  });
}

function isDescribeCallback(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && node.parent.expression !== node && calleeRoot(node.parent) === 'describe';
}

/** The name at the beginning of a call: `describe` for `describe.each(cases)('...', () => {})`. */
function calleeRoot(call: ts.CallExpression): string | undefined {
  let callee: ts.Expression = call.expression;
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) callee = callee.expression;
  return ts.isIdentifier(callee) ? callee.text : undefined;
}

function nameOf(node: ts.SignatureDeclaration): string {
  const owner = node.name ?? (ts.isVariableDeclaration(node.parent) || ts.isPropertyAssignment(node.parent) ? node.parent.name : undefined);
  return owner === undefined ? 'a function' : owner.getText();
}
