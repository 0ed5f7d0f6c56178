// Code in colours, loaded when there is code to show.
import { common, createLowlight } from 'lowlight'

export interface Highlighted {
  text: string
  look: string | undefined
}

const lowlight = createLowlight(common)

/** Parts of the code with the classes of their colours; undefined for a language that is not known. */
export function highlight(text: string, language: string): Highlighted[] | undefined {
  if (!lowlight.registered(language)) return undefined
  return partsOf(lowlight.highlight(language, text).children, undefined)
}

type Nodes = ReturnType<typeof lowlight.highlight>['children']

function partsOf(
  nodes: Nodes | Extract<Nodes[number], { type: 'element' }>['children'],
  look: string | undefined,
): Highlighted[] {
  return nodes.flatMap(node => {
    if (node.type === 'text') return [{ text: node.value, look }]
    if (node.type !== 'element') return []
    const names = [node.properties.className].flat().filter(name => typeof name === 'string')
    return partsOf(node.children, names.join(' ') || look)
  })
}
