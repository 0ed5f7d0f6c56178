// Commands for a terminal: follow this run, or ask for the same again.
import type { Run } from '@langchain/langgraph-sdk'
import { Check, Terminal } from 'lucide-react'
import { useState } from 'react'
import { API, currentKey } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'

/** What a run was asked for, as `kwargs` has it. */
interface Asked {
  input?: unknown
  command?: unknown
  context?: unknown
  stream_mode?: unknown
  interrupt_before?: unknown
  interrupt_after?: unknown
}

export function CopyCurl({ run }: { run: Run }) {
  const [copied, setCopied] = useState(false)
  const copy = (text: string) => void navigator.clipboard.writeText(text).then(() => setCopied(true))
  const path = `/threads/${run.thread_id}/runs`
  return (
    <Menu
      trigger={
        <Button icon={copied ? Check : Terminal} onBlur={() => setCopied(false)}>
          {copied ? 'Copied' : 'Copy as curl'}
        </Button>
      }
    >
      <MenuItem onSelect={() => copy(curl(`${path}/stream`, again(run)))}>The same run again</MenuItem>
      <MenuItem onSelect={() => copy(curl(`${path}/${run.run_id}/stream`))}>Follow this run</MenuItem>
      <MenuItem onSelect={() => copy(curl(`${path}/${run.run_id}`))}>Read this run</MenuItem>
    </Menu>
  )
}

function again({ assistant_id, kwargs }: Run & { kwargs?: Asked }): object {
  const { input, command, context, stream_mode, interrupt_before, interrupt_after } = kwargs ?? {}
  const given = Object.entries({ input, command, context, stream_mode, interrupt_before, interrupt_after })
  const filled = given.filter(([, value]) => value != null && JSON.stringify(value) !== '{}')
  return { assistant_id, ...Object.fromEntries(filled) }
}

/** The key itself is not copied: it comes from the terminal's environment. */
function curl(path: string, body?: object): string {
  const parts = [`curl -N '${API}${path}'`]
  if (currentKey()) parts.push(`-H "x-api-key: $RUNLOOM_API_KEY"`)
  if (body) parts.push("-H 'content-type: application/json'", `-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`)
  return parts.join(' \\\n  ')
}
