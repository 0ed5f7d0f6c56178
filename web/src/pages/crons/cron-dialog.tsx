// The form of a new cron. What the schedule means is shown as it is typed, by the rules that the server has, too.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { request } from '../../api.ts'
import { useAssistants } from '../../assistants.ts'
import { Button } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'
import { dateWords, nextDates, VIEWER_ZONE } from './dates.ts'

const LABEL = 'mb-1 block text-xs text-muted'
const SHOWN_DATES = 3

const SCHEDULES = [
  { schedule: '0 9 * * 1-5', label: 'Weekdays 9:00' },
  { schedule: '0 9 * * 1', label: 'Mondays 9:00' },
  { schedule: '0 * * * *', label: 'Every hour' },
  { schedule: '*/15 * * * *', label: 'Every 15 min' },
]

export function CronDialog({ onClose }: { onClose: () => void }) {
  const assistants = useAssistants()
  const [assistant, setAssistant] = useState('')
  const [schedule, setSchedule] = useState('0 9 * * 1-5')
  const [timezone, setTimezone] = useState(VIEWER_ZONE)
  const [input, setInput] = useState('{"messages": [{"role": "user", "content": "What is new?"}]}')
  const [thread, setThread] = useState('')
  const [keep, setKeep] = useState(false)
  const queries = useQueryClient()
  const id = useId()
  const parsed = parseJson(input || 'null')
  const { dates, wrong } = nextDates({ schedule, timezone: timezone || null, end_time: null }, SHOWN_DATES)
  const chosen = assistant || assistants.data?.[0]?.assistant_id
  const save = useMutation({
    mutationFn: () => {
      const where = thread.trim() ? `/threads/${encodeURIComponent(thread.trim())}/runs/crons` : '/runs/crons'
      const own = thread.trim() ? {} : { on_run_completed: keep ? 'keep' : 'delete' }
      const json = { assistant_id: chosen, schedule, timezone: timezone || null, input: parsed.value, ...own }
      return request(where, { method: 'POST', json })
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['crons'] })
      onClose()
    },
  })
  return (
    <Dialog title="New cron" onClose={onClose}>
      <form
        className="grid gap-3"
        onSubmit={event => {
          event.preventDefault()
          save.mutate()
        }}
      >
        <div>
          <label htmlFor={`${id}assistant`} className={LABEL}>
            Assistant
          </label>
          <select
            id={`${id}assistant`}
            className="field"
            value={chosen}
            onChange={event => setAssistant(event.target.value)}
          >
            {assistants.data?.map(({ assistant_id, name }) => (
              <option key={assistant_id} value={assistant_id}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <div className="grid gap-3 sm:grid-cols-2">
          <div>
            <label htmlFor={`${id}schedule`} className={LABEL}>
              Schedule, as cron has it
            </label>
            <input
              id={`${id}schedule`}
              className="field font-mono"
              required
              spellCheck={false}
              autoComplete="off"
              value={schedule}
              aria-invalid={wrong !== undefined}
              aria-describedby={`${id}dates`}
              onChange={event => setSchedule(event.target.value)}
            />
          </div>
          <div>
            <label htmlFor={`${id}zone`} className={LABEL}>
              Time zone
            </label>
            <input
              id={`${id}zone`}
              className="field"
              list={`${id}zones`}
              placeholder="UTC"
              value={timezone}
              onChange={event => setTimezone(event.target.value.trim())}
            />
            <datalist id={`${id}zones`}>
              {Intl.supportedValuesOf('timeZone').map(zone => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </div>
        </div>
        <div className="flex flex-wrap gap-2">
          {SCHEDULES.map(one => (
            <Button key={one.label} onClick={() => setSchedule(one.schedule)}>
              {one.label}
            </Button>
          ))}
        </div>
        <p
          id={`${id}dates`}
          aria-live="polite"
          className={`rounded-md px-3 py-2 ${wrong ? 'bg-bad-wash text-bad' : 'bg-accent-wash'}`}
        >
          {wrong ?? (dates.length > 0 ? `Next ${dates.map(one => dateWords(one)).join(', then ')}` : 'It never comes.')}
          {!wrong && dates.length > 0 && (
            <span className="block text-xs text-soft">in your time zone, {VIEWER_ZONE}</span>
          )}
        </p>
        <JsonField label="Input" rows={4} value={input} onChange={setInput} />
        <div>
          <label htmlFor={`${id}thread`} className={LABEL}>
            Thread (empty: each run gets one of its own)
          </label>
          <input
            id={`${id}thread`}
            className="field font-mono text-xs"
            placeholder="Its id"
            value={thread}
            onChange={event => setThread(event.target.value)}
          />
        </div>
        {!thread.trim() && (
          <label className="flex items-center gap-2">
            <input
              type="checkbox"
              className="accent-accent"
              checked={keep}
              onChange={event => setKeep(event.target.checked)}
            />
            Keep these threads, with what was said
          </label>
        )}
        {save.isError && <ErrorNote error={save.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            disabled={save.isPending || !chosen || wrong !== undefined || parsed.error !== undefined}
          >
            Create it
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
