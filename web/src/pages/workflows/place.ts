// Where in a JSON text a value stands.
import { ensureSyntaxTree } from '@codemirror/language'
import type { EditorState } from '@codemirror/state'
import type { SyntaxNode } from '@lezer/common'

const PARSE_MS = 500

/** Of the value at a path, or of the innermost around it that is there; an object's own field is shown by its name. */
export function placeOf(state: EditorState, path: readonly (string | number)[]): { from: number; to: number } {
  const tree = ensureSyntaxTree(state, state.doc.length, PARSE_MS)
  let at = tree?.topNode.firstChild
  let name: SyntaxNode | null = null
  for (const key of path) {
    const next = at && (typeof key === 'number' ? elementAt(at, key) : propertyOf(state, at, key))
    if (!next) break
    name = next.name
    at = next.value
  }
  if (!at) return { from: 0, to: Math.min(1, state.doc.length) }
  const isLarge = at.name === 'Object' || at.name === 'Array'
  const shown = isLarge ? (name ?? at) : at
  return isLarge && !name ? { from: at.from, to: at.from + 1 } : { from: shown.from, to: shown.to }
}

interface Found {
  name: SyntaxNode | null
  value: SyntaxNode
}

function elementAt(list: SyntaxNode, index: number): Found | undefined {
  const elements: SyntaxNode[] = []
  for (let child = list.firstChild; child; child = child.nextSibling) {
    if (!/^[[\],⚠]$/.test(child.name)) elements.push(child)
  }
  const value = elements[index]
  return value && { name: null, value }
}

function propertyOf(state: EditorState, object: SyntaxNode, key: string): Found | undefined {
  for (const property of object.getChildren('Property')) {
    const name = property.getChild('PropertyName')
    if (!name || state.sliceDoc(name.from, name.to) !== JSON.stringify(key)) continue
    const value = property.lastChild
    return value && value.name !== 'PropertyName' ? { name, value } : undefined
  }
}

/** `$.nodes[0].id` as keys. */
export function keysOfPath(path: string): (string | number)[] {
  return [...path.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
}

/** `#/nodes/0/id` as keys; a whole number counts as a place in a list. */
export function keysOfPointer(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map(part => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .map(part => (/^\d+$/.test(part) ? Number(part) : part))
}
