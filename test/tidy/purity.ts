// Time and randomness come through ports: runtime and actors may not reach for the ones of the platform.

import ts from 'typescript';
import { nodesOf, placeOf, type SourceFile } from './tree.js';

const timers = new Set(['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']);
const sources = new Set(['Date.now', 'Math.random', 'performance.now', 'crypto.randomUUID', 'crypto.getRandomValues']);

/** Uses of the platform's clock, timers and randomness in the rooms that must not have any. */
export function impureCalls(file: SourceFile): string[] {
  if (!/^src\/(?:runtime|actors)\//.test(file.path)) return [];
  return [...nodesOf(file.tree)].flatMap((node) => {
    const found = impureUse(node);
    return found === undefined ? [] : [`${placeOf(file, node)} uses ${found}; take it from a port`];
  });
}

function impureUse(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return impureProperty(node);
  if (ts.isIdentifier(node)) return timers.has(node.text) && isValue(node) ? node.text : undefined;
  if (ts.isNewExpression(node) && isDate(node.expression) && (node.arguments?.length ?? 0) === 0) return 'new Date()';
  if (ts.isCallExpression(node) && isDate(node.expression)) return 'Date()';
  return undefined;
}

function impureProperty(node: ts.PropertyAccessExpression): string | undefined {
  const object = node.expression.getText().replace(/^(?:globalThis|global)\./, '');
  if (['globalThis', 'global'].includes(object) && timers.has(node.name.text)) return node.getText();
  const name = `${object}.${node.name.text}`;
  return sources.has(name) ? name : undefined;
}

function isDate(node: ts.Expression): boolean {
  return /^(?:globalThis\.)?Date$/.test(node.getText());
}

/** Whether a name stands for the global itself: not a port's method of the same name, and not inside a type. */
function isValue(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isTypeNode(parent) || ts.isTypeElement(parent) || ts.isClassElement(parent) || ts.isParameter(parent)) return false;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  return true;
}
