// The client of workflow runs, taken from its sources, with the key as it is now.
import './no-eval.ts'
import { WorkflowRunsClient } from '../../../../src/client/workflow-runs.ts'
import { API, currentKey } from '../../api.ts'

export function workflows(): WorkflowRunsClient {
  const key = currentKey()
  return new WorkflowRunsClient({ baseUrl: `${API}/api/v1`, ...(key ? { apiKey: key } : { auth: 'none' }) })
}
