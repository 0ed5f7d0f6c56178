// The callbacks of a run. LangGraph's handler for the `messages` mode would queue every token behind those of all other
// runs and pass it through three streams. Here it hands tokens to the recording at once, in the call that the model awaits.
// The tokens of a call's first turn of the event loop go through the stream, as messages that are no tokens do: so tokens
// never overtake what was said before their model was called.
import type { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import { CallbackManager } from '@langchain/core/callbacks/manager'

export interface MessagesPort {
  /** Takes a token, as the chunk that LangGraph's stream would yield. Must not throw. */
  take: (chunk: unknown) => void
  /** What the model waits for after a token, if it has to. */
  room: () => Promise<void> | undefined
}

/** LangGraph's `StreamMessagesHandler`, which it does not export. */
interface MessagesHandler extends BaseCallbackHandler {
  streamFn: (chunk: unknown) => void
}

export class RunCallbacks extends CallbackManager {
  readonly #port: MessagesPort

  constructor(port: MessagesPort, from?: CallbackManager) {
    super(from?.getParentRunId(), from)
    this.#port = port
  }

  /** LangGraph adds its handlers to a copy. */
  override copy(...added: Parameters<CallbackManager['copy']>): CallbackManager {
    return new RunCallbacks(this.#port, super.copy(...added))
  }

  override addHandler(handler: BaseCallbackHandler, inherit?: boolean) {
    if (isMessagesHandler(handler)) redirect(handler, this.#port)
    super.addHandler(handler, inherit)
  }
}

function isMessagesHandler(handler: BaseCallbackHandler): handler is MessagesHandler {
  return handler.name === 'StreamMessagesHandler' && 'streamFn' in handler
}

function redirect(handler: MessagesHandler, { take, room }: MessagesPort) {
  const { streamFn } = handler
  const onToken = handler.handleLLMNewToken?.bind(handler)
  /** Model calls, and whether all that was said before their tokens has arrived. */
  const direct = new Map<string, boolean>()
  handler.awaitHandlers = true
  handler.handleLLMNewToken = (...token) => {
    const [, , run_id] = token
    if (!direct.has(run_id)) {
      direct.set(run_id, false)
      setImmediate(() => direct.set(run_id, true))
    }
    handler.streamFn = direct.get(run_id) ? take : streamFn
    void onToken?.(...token)
    handler.streamFn = streamFn
    return room()
  }
}
