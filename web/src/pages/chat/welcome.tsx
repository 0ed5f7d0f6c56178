// A thread without messages: what one may say.
import { MessagesSquare } from 'lucide-react'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'

const IDEAS = [
  'What can you do?',
  'What is 12 * (3 + 4)?',
  'What time is it in Berlin?',
  'How do runs survive a crash?',
]

export function Welcome({ onSay }: { onSay: (text: string) => void }) {
  return (
    <div className="grid flex-1 place-items-center overflow-y-auto">
      <EmptyState
        icon={MessagesSquare}
        title="Say something to the agent"
        action={
          <div className="flex flex-wrap justify-center gap-2">
            {IDEAS.map(idea => (
              <Button key={idea} onClick={() => onSay(idea)}>
                {idea}
              </Button>
            ))}
          </div>
        }
      >
        The answer goes on whatever happens: load this page again, close it, or kill the server.
      </EmptyState>
    </div>
  )
}
