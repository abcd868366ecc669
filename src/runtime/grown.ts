// Lists that are made with their first element: an empty list that grows takes room for many.

/** The list with one more element; the same list, unless there was none. */
export function grown<T>(list: T[] | null, element: T): T[] {
  if (list === null) return [element];
  list.push(element);
  return list;
}
