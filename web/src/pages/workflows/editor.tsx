// The editor of a workflow. It stands in a shadow root: there its styles are constructed sheets, which the page's policy
// allows; in the page they would be a <style>, which it refuses.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { linter, lintGutter, lintKeymap } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { type Ref, useEffect, useEffectEvent, useImperativeHandle, useRef } from 'react'
import { type Checked, checked } from './check.ts'

const CHECK_MS = 300

export interface EditorHandle {
  /** Puts the cursor there, and the focus. */
  show: (place: { from: number; to: number }) => void
}

interface EditorProps {
  label: string
  /** At first; another text needs another `key`. */
  text: string
  onChange: (text: string) => void
  onChecked: (found: Checked) => void
  ref?: Ref<EditorHandle>
}

export function Editor({ label, text, onChange, onChecked, ref }: EditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const changed = useEffectEvent(onChange)
  const found = useEffectEvent(onChecked)
  const first = useRef({ label, text })
  useEffect(() => {
    const element = host.current as HTMLDivElement
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: first.current.text,
        extensions: [
          ...SETUP,
          EditorView.contentAttributes.of({ 'aria-label': first.current.label, tabindex: '0' }),
          EditorView.updateListener.of(update => update.docChanged && changed(update.state.doc.toString())),
          linter(
            async ({ state }) => {
              const result = await checked(state)
              if (editor.state.doc === state.doc) found(result)
              return result.problems
            },
            { delay: CHECK_MS },
          ),
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
  }, [])
  useImperativeHandle(ref, () => ({
    show: ({ from, to }) => {
      view.current?.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true })
      view.current?.focus()
    },
  }))
  return <div ref={host} className="h-full min-h-0" />
}

const colors = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--c-thread-graph)' },
  { tag: tags.string, color: 'var(--c-good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--c-thread-model)' },
])

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--c-ink)', backgroundColor: 'var(--c-surface)', fontSize: '12px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
    lineHeight: '1.6',
  },
  '.cm-content': { caretColor: 'var(--c-ink)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--c-ink)' },
  '.cm-gutters': { backgroundColor: 'var(--c-surface)', color: 'var(--c-muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--c-sunken)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--c-accent-wash)',
  },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--c-hover)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--c-raised)',
    color: 'var(--c-ink)',
    border: '1px solid var(--c-line)',
    borderRadius: '7px',
  },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--c-bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--c-warn)' },
})

const SETUP = [
  lineNumbers(),
  lintGutter(),
  history(),
  drawSelection(),
  indentOnInput(),
  bracketMatching(),
  highlightActiveLine(),
  json(),
  syntaxHighlighting(colors),
  theme,
  EditorView.lineWrapping,
  keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
]
