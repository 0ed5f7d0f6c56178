// The key for this session, the theme, and which server this is.
import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { API, currentKey, request, setKey } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame, Panel } from '../../components/panel.tsx'
import { ThemeSwitch } from '../../shell/theme-switch.tsx'

interface Info {
  version: string
  langgraph_js_version: string
}

export default function SettingsPage() {
  return (
    <PageFrame title="Settings">
      <div className="mx-auto grid max-w-2xl gap-4">
        <KeyPanel />
        <Panel title="Theme">
          <p className="text-muted">Kept in this browser.</p>
          <ThemeSwitch />
        </Panel>
        <ServerPanel />
      </div>
    </PageFrame>
  )
}

function KeyPanel() {
  const [text, setText] = useState(currentKey())
  const [asked, setAsked] = useState(0)
  const id = useId()
  const trial = useQuery({
    queryKey: ['key', asked],
    queryFn: () => request('/threads/search', { method: 'POST', json: { limit: 1 } }),
    enabled: asked > 0,
    retry: false,
  })
  const use = (key: string) => {
    setText(key)
    setKey(key)
    setAsked(asked + 1)
  }
  return (
    <Panel title="API key">
      <form
        onSubmit={event => {
          event.preventDefault()
          use(text.trim())
        }}
      >
        <label htmlFor={id} className="mb-2 block text-muted">
          Needed where the server asks who you are. It is kept until this tab is closed, and nowhere else.
        </label>
        <div className="flex gap-2">
          <input
            id={id}
            type="password"
            autoComplete="off"
            spellCheck={false}
            className="field font-mono"
            value={text}
            onChange={event => setText(event.target.value)}
          />
          <Button type="submit" kind="primary">
            Use it
          </Button>
          <Button disabled={!text} onClick={() => use('')}>
            Forget it
          </Button>
        </div>
      </form>
      <div aria-live="polite" className="mt-3 empty:hidden">
        {trial.isSuccess && <p className="text-good">The server answers.</p>}
        {trial.isError && <ErrorNote error={trial.error} />}
      </div>
    </Panel>
  )
}

function ServerPanel() {
  const info = useQuery({ queryKey: ['info'], queryFn: () => request<Info>('/info') })
  return (
    <Panel title="Server">
      <dl className="grid grid-cols-[8rem_1fr] gap-y-1">
        <dt className="text-muted">Address</dt>
        <dd className="break-all">{API}</dd>
        <dt className="text-muted">Runloom</dt>
        <dd>{info.data?.version ?? '…'}</dd>
        <dt className="text-muted">LangGraph.js</dt>
        <dd>{info.data?.langgraph_js_version ?? '…'}</dd>
        <dt className="text-muted">API</dt>
        <dd>
          <a className="text-accent underline" href={`${API}/docs`}>
            described and tried out
          </a>
        </dd>
      </dl>
      {info.isError && <ErrorNote error={info.error} onRetry={() => void info.refetch()} />}
    </Panel>
  )
}
