// The built-in agent's two tools. They throw what went wrong; the agent hands it to the model as a failed tool message.

import { tool } from 'langchain'
import { z } from 'zod'
import { evaluate } from './arithmetic.ts'

/** The date as `2026-03-29T14:05:09+02:00[Europe/Berlin]` (RFC 9557). Throws on a zone that is not an IANA name. */
export function timeIn(zone: string, date: Date): string {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'longOffset',
    })
  } catch (cause) {
    throw new Error(`Unknown time zone "${zone}": use an IANA name such as Europe/Berlin, or UTC.`, { cause })
  }
  const [day, time, offset = ''] = format.format(date).split(' ')
  return `${day}T${time}${offset.replace('GMT', '').replace('−', '-') || '+00:00'}[${zone}]`
}

/** Tells the time of the server's clock. */
export const currentTime = tool(({ time_zone }) => timeIn(time_zone ?? 'UTC', new Date()), {
  name: 'current_time',
  description: 'The current date and time, in UTC or in the given time zone.',
  schema: z.object({
    time_zone: z.string().optional().describe('An IANA time zone, for example Europe/Berlin. Default: UTC.'),
  }),
})

/** Evaluates one arithmetic expression. */
export const calculate = tool(({ expression }) => String(evaluate(expression)), {
  name: 'calculate',
  description: 'The value of an arithmetic expression.',
  schema: z.object({
    expression: z.string().max(500).describe('Decimals, + - * / % ^ and parentheses, for example (2 + 3) * 4.'),
  }),
})
