// The pages there are: this list alone makes the routes, the navigation and the command palette. A page is a file with a
// component as its default export, fetched when it is first opened.
import {
  Activity,
  Bot,
  CalendarClock,
  ChartNoAxesCombined,
  Database,
  type LucideIcon,
  MessagesSquare,
  Settings,
  Waypoints,
  Webhook,
  Workflow,
} from 'lucide-react'
import type { ComponentType } from 'react'

export interface Page {
  label: string
  icon: LucideIcon
  /** Where the navigation leads. */
  to: string
  /** The pages below it, by path: `/runs/$runId`; `{-$name}` is a part that may be missing. */
  routes: Record<string, () => Promise<{ default: ComponentType }>>
  /** Letters after `g` that open it. */
  key: string
  /** Shown at the foot of the navigation. */
  last?: true
}

export const pages: Page[] = [
  {
    label: 'Chat',
    icon: MessagesSquare,
    to: '/chat',
    key: 'c',
    routes: { '/chat/{-$threadId}': () => import('./pages/chat/chat-page.tsx') },
  },
  {
    label: 'Overview',
    icon: ChartNoAxesCombined,
    to: '/overview',
    key: 'v',
    routes: { '/overview': () => import('./pages/overview/overview-page.tsx') },
  },
  {
    label: 'Runs',
    icon: Activity,
    to: '/runs',
    key: 'r',
    routes: {
      '/runs': () => import('./pages/runs/runs-page.tsx'),
      '/runs/$threadId/$runId': () => import('./pages/runs/run-page.tsx'),
      '/threads/$threadId/state': () => import('./pages/state/state-page.tsx'),
    },
  },
  {
    label: 'Graph',
    icon: Waypoints,
    to: '/graph',
    key: 'h',
    routes: { '/graph': () => import('./pages/graph/graph-page.tsx') },
  },
  {
    label: 'Workflows',
    icon: Workflow,
    to: '/workflows',
    key: 'w',
    routes: {
      '/workflows': () => import('./pages/workflows/workflows-page.tsx'),
      '/workflows/$runId': () => import('./pages/workflows/run-page.tsx'),
    },
  },
  {
    label: 'Assistants',
    icon: Bot,
    to: '/assistants',
    key: 'a',
    routes: {
      '/assistants': () => import('./pages/assistants/assistants-page.tsx'),
      '/assistants/$assistantId': () => import('./pages/assistants/assistant-page.tsx'),
    },
  },
  {
    label: 'Crons',
    icon: CalendarClock,
    to: '/crons',
    key: 'o',
    routes: { '/crons': () => import('./pages/crons/crons-page.tsx') },
  },
  {
    label: 'Store',
    icon: Database,
    to: '/store',
    key: 't',
    routes: { '/store': () => import('./pages/store/store-page.tsx') },
  },
  {
    label: 'Webhooks',
    icon: Webhook,
    to: '/webhooks',
    key: 'b',
    routes: { '/webhooks': () => import('./pages/webhooks/webhooks-page.tsx') },
  },
  {
    label: 'Settings',
    icon: Settings,
    to: '/settings',
    key: 's',
    last: true,
    routes: { '/settings': () => import('./pages/settings/settings-page.tsx') },
  },
]

/** Whether there is a page at a path, as `routes` spells it: pages that show the same thing link to each other. */
export function hasPage(path: string): boolean {
  return pages.some(({ routes }) => path in routes)
}
