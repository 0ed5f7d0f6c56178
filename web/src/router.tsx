// Addresses: one route for each entry of pages.ts, inside the shell. A page reads its own by `useParams({ strict: false })`.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Navigate } from '@tanstack/react-router'
import { PAGE_PATH } from './api.ts'
import { ErrorNote } from './components/error-note.tsx'
import { Spinner } from './components/spinner.tsx'
import { pages } from './pages.ts'
import { NotFound } from './shell/not-found.tsx'
import { Shell } from './shell/shell.tsx'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

const routes = pages.flatMap(page =>
  Object.entries(page.routes).map(([path, load]) =>
    createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) }),
  ),
)

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: () => <Navigate to={pages[0]?.to ?? '/settings'} replace />,
})

export const router = createRouter({
  routeTree: root.addChildren([home, ...routes]),
  basepath: PAGE_PATH,
  defaultPreload: 'intent',
  defaultPendingComponent: () => <Spinner label="Opening the page" />,
  defaultErrorComponent: ({ error }) => (
    <div className="p-6">
      <ErrorNote error={error} />
    </div>
  ),
})
