// Where one writes: text, files by drop, paste or choice, the model and the modes. Enter sends, with Shift it breaks the line.
import { useQuery } from '@tanstack/react-query'
import { ArrowUp, Bot, ChevronDown, FileText, Paperclip, SlidersHorizontal, Sparkles, Square, X } from 'lucide-react'
import { type DragEvent, useEffect, useRef, useState } from 'react'
import { useClient } from '../../api.ts'
import { IconButton } from '../../components/button.tsx'
import { Menu, MenuChoice } from '../../components/menu.tsx'
import { ASSISTANT, type Choices } from './choices.ts'
import { draftOf, keepDraft } from './drafts.ts'
import { modelsQuery } from './thread-data.ts'
import { limitsQuery, refusalOf } from './uploads.ts'

interface ComposerProps {
  thread_id: string
  /** The thread is on the server, and keeps its assistant. */
  exists: boolean
  choices: Choices
  onChoose: (choices: Choices) => void
  busy: boolean
  onStop: () => void
  /** Resolves when it is on its way; the text stays if it rejects. */
  onSend: (text: string, files: File[]) => Promise<void>
}

export function Composer({ thread_id, exists, choices, onChoose, busy, onStop, onSend }: ComposerProps) {
  const [text, setText] = useState(draftOf(thread_id))
  const [files, setFiles] = useState<File[]>([])
  const [over, setOver] = useState(false)
  const [refusal, setRefusal] = useState<string>()
  const [sending, setSending] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const chooser = useRef<HTMLInputElement>(null)
  const limits = useQuery(limitsQuery(thread_id)).data
  useEffect(() => {
    if (matchMedia('(min-width: 48rem)').matches) field.current?.focus()
  }, [])

  const write = (next: string) => {
    setText(next)
    keepDraft(thread_id, next)
  }
  const add = (added: Iterable<File>) => {
    const next = [...files, ...added]
    const problem = refusalOf(next, limits)
    setRefusal(problem)
    if (!problem) setFiles(next)
  }
  const send = async () => {
    if (busy || sending || (!text.trim() && files.length === 0)) return
    const problem = refusalOf(files, limits)
    setRefusal(problem)
    if (problem) return
    setSending(true)
    try {
      const sent = text
      write('')
      await onSend(sent, files).catch(error => {
        write(sent)
        throw error
      })
      setFiles([])
    } catch {
      // Whoever sends shows why.
    } finally {
      setSending(false)
      field.current?.focus()
    }
  }
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    add(event.dataTransfer.files)
  }
  const isFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files')
  return (
    <form
      aria-label="Message"
      onSubmit={event => {
        event.preventDefault()
        void send()
      }}
      onDragOver={event => {
        if (!isFiles(event)) return
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
      className={`rounded-lg border bg-raised shadow-float focus-within:border-accent ${over ? 'border-accent bg-accent-wash' : 'border-line-strong'}`}
    >
      {files.length > 0 && (
        <ul aria-label="Files" className="flex flex-wrap gap-2 px-3 pt-3">
          {files.map((file, index) => (
            <li key={index} className="flex items-center gap-1.5 rounded-md border bg-surface py-0.5 pr-0.5 pl-2">
              <FileText size={14} aria-hidden className="text-muted" />
              <span className="max-w-48 truncate">{file.name}</span>
              <IconButton
                small
                icon={X}
                label={`Leave out ${file.name}`}
                onClick={() => {
                  setFiles(files.filter(one => one !== file))
                  setRefusal(undefined)
                }}
              />
            </li>
          ))}
        </ul>
      )}
      {refusal && (
        <p role="alert" className="px-3.5 pt-3 text-bad">
          {refusal}
        </p>
      )}
      <textarea
        ref={field}
        rows={1}
        aria-label="Your message"
        dir="auto"
        placeholder={over ? 'Drop the files here' : 'Write a message…'}
        value={text}
        onChange={event => write(event.target.value)}
        onPaste={event => {
          if (event.clipboardData.files.length === 0) return
          event.preventDefault()
          add(event.clipboardData.files)
        }}
        onKeyDown={event => {
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          void send()
        }}
        className="field-sizing-content max-h-60 min-h-11 w-full resize-none bg-transparent px-3.5 pt-3 pb-1 text-base outline-none placeholder:text-muted"
      />
      <div className="flex flex-wrap items-center gap-1 px-2 pb-2">
        <input ref={chooser} type="file" multiple hidden onChange={event => add(event.target.files ?? [])} />
        <IconButton
          icon={Paperclip}
          label={limits?.max_files === 0 ? 'This server takes no files' : 'Add files'}
          disabled={!limits || limits.max_files === 0}
          onClick={() => chooser.current?.click()}
        />
        {!exists && <AssistantMenu choices={choices} onChoose={onChoose} />}
        <ModelMenu choices={choices} onChoose={onChoose} />
        <ModeMenu choices={choices} onChoose={onChoose} />
        <span className="ml-auto" />
        {busy ? (
          <IconButton kind="primary" icon={Square} label="Stop" className="[&>svg]:fill-current" onClick={onStop} />
        ) : (
          <IconButton
            kind="primary"
            type="submit"
            icon={ArrowUp}
            label="Send"
            disabled={sending || (!text.trim() && files.length === 0)}
          />
        )}
      </div>
    </form>
  )
}

interface ChoiceProps {
  choices: Choices
  onChoose: (choices: Choices) => void
}

const TRIGGER = 'flex h-8 max-w-44 items-center gap-1.5 rounded-md px-2 text-soft hover:bg-hover hover:text-ink'

function AssistantMenu({ choices, onChoose }: ChoiceProps) {
  const client = useClient()
  const { data = [] } = useQuery({
    queryKey: ['assistants', 'to talk to'],
    queryFn: () => client.assistants.search({ limit: 100, sortBy: 'name', sortOrder: 'asc' }),
  })
  const chosen =
    data.find(one => one.assistant_id === choices.assistant_id) ?? data.find(({ name }) => name === ASSISTANT)
  return (
    <Menu
      side="top"
      trigger={
        <button type="button" aria-label={`Assistant: ${chosen?.name ?? ASSISTANT}`} className={TRIGGER}>
          <Bot size={15} aria-hidden />
          <span className="truncate">{chosen?.name ?? ASSISTANT}</span>
          <ChevronDown size={13} aria-hidden />
        </button>
      }
    >
      {data.map(({ assistant_id, name, graph_id, description }) => (
        <MenuChoice
          key={assistant_id}
          chosen={assistant_id === chosen?.assistant_id}
          note={description ?? (name === graph_id ? '' : graph_id)}
          onSelect={() => onChoose({ ...choices, assistant_id })}
        >
          {name}
        </MenuChoice>
      ))}
    </Menu>
  )
}

function ModelMenu({ choices, onChoose }: ChoiceProps) {
  const { data = [] } = useQuery(modelsQuery)
  const chosen = data.find(({ name }) => name === choices.model_name) ?? data[0]
  if (!chosen) return null
  return (
    <Menu
      side="top"
      trigger={
        <button type="button" aria-label={`Model: ${chosen.display_name}`} className={TRIGGER}>
          <Sparkles size={15} aria-hidden />
          <span className="truncate">{chosen.display_name}</span>
          <ChevronDown size={13} aria-hidden />
        </button>
      }
    >
      {data.map(({ name, display_name, description }, index) => (
        <MenuChoice
          key={name}
          chosen={name === chosen.name}
          note={description ?? ''}
          // The first is what runs have that do not say which.
          onSelect={() => onChoose(index === 0 ? without(choices, 'model_name') : { ...choices, model_name: name })}
        >
          {display_name}
        </MenuChoice>
      ))}
    </Menu>
  )
}

const MODES = [
  { key: 'is_plan_mode', label: 'Plan first', note: 'The agent writes a list of what to do, and keeps it' },
  { key: 'thinking_enabled', label: 'Think longer', note: 'Where the model can' },
  { key: 'subagent_enabled', label: 'Sub-agents', note: 'Pieces of work may be handed on' },
] as const

function ModeMenu({ choices, onChoose }: ChoiceProps) {
  const { data = [] } = useQuery(modelsQuery)
  const model = data.find(({ name }) => name === choices.model_name) ?? data[0]
  const modes = MODES.filter(({ key }) => key !== 'thinking_enabled' || model?.supports_thinking)
  const on = modes.filter(({ key }) => choices[key]).map(({ label }) => label)
  return (
    <Menu
      side="top"
      trigger={
        <button
          type="button"
          aria-label={on.length > 0 ? `Modes: ${on.join(', ')}` : 'Modes'}
          className={`${TRIGGER} ${on.length > 0 ? 'text-accent' : ''}`}
        >
          <SlidersHorizontal size={15} aria-hidden />
          <span className="truncate">{on.length > 0 ? on.join(', ') : 'Modes'}</span>
        </button>
      }
    >
      {modes.map(({ key, label, note }) => (
        <MenuChoice
          key={key}
          many
          chosen={choices[key] === true}
          note={note}
          onSelect={() => onChoose({ ...choices, [key]: !choices[key] })}
        >
          {label}
        </MenuChoice>
      ))}
    </Menu>
  )
}

function without(choices: Choices, key: keyof Choices): Choices {
  const { [key]: _, ...rest } = choices
  return rest
}
