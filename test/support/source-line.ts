// Where in a test's own file something stands, so that a test can say which line an error has to name.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `file.test.ts:12` for the line that ends with the comment `// <- marker` in the file of this `import.meta.url`. */
export function lineOf(url: string, marker: string): string {
  const file = fileURLToPath(url);
  const index = readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((line) => line.trimEnd().endsWith(`// <- ${marker}`));
  if (index === -1) throw new Error(`No line of ${file} ends with the marker "${marker}".`);
  return `${basename(file)}:${index + 1}`;
}
