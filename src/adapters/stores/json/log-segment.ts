// The files of the log: `<first sequence number>.jsonl`, each going on where the one before it ends.

const pattern = /^([0-9]{16})\.jsonl$/;

export interface Segment {
  readonly name: string;
  readonly firstSeq: number;
}

export function toSegment(firstSeq: number): Segment {
  return { name: `${String(firstSeq).padStart(16, '0')}.jsonl`, firstSeq };
}

function isSegmentName(name: string): boolean {
  return pattern.test(name);
}

/** The segments among these names, in their order. Other files are not ours. */
export function findSegments(names: readonly string[]): Segment[] {
  return names
    .filter(isSegmentName)
    .sort()
    .map((name) => ({ name, firstSeq: Number(name.slice(0, 16)) }));
}
