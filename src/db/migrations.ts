// The schema, as numbered migrations in one SQL for both databases. Later ones expand, then contract, so that a newer
// and an older process can share a database for a while.
import { WORKFLOW_TABLES } from './workflow-tables.ts'

export const MIGRATIONS: readonly string[] = [
  `
  -- owner, here and below: of the API key that made it; '' is nobody's.
  create table assistants (
    assistant_id text primary key,
    owner text not null default '',
    graph_id text not null,
    name text not null,
    description text,
    config text not null,
    context text not null,
    metadata text not null,
    version integer not null,
    system integer not null,
    created_at text not null,
    updated_at text not null
  );

  -- The row above is a copy of one of these: the version that counts.
  create table assistant_versions (
    assistant_id text not null references assistants (assistant_id) on delete cascade,
    version integer not null,
    graph_id text not null,
    name text not null,
    description text,
    config text not null,
    context text not null,
    metadata text not null,
    created_at text not null,
    primary key (assistant_id, version)
  );

  -- due_at: when the thread next needs a worker. While a run executes it is the end of that run's lease.
  -- turn_at: when its last run ended; a queued one is due from then on, behind threads that have waited longer.
  -- expires_at: ttl_minutes after the thread was last used; null when it has no time to live, or was pruned since.
  -- last_message_seq: what a rollback took back; the next message has a higher number.
  -- resting_status, interrupts, error, state: what the last run left, status is that, or busy while runs are in flight.
  create table threads (
    thread_id text primary key,
    owner text not null default '',
    created_at text not null,
    updated_at text not null,
    state_updated_at text,
    metadata text not null,
    config text not null,
    status text not null,
    resting_status text not null,
    interrupts text not null,
    error text,
    state text,
    due_at bigint,
    turn_at bigint not null default 0,
    last_position bigint not null,
    last_thread_seq bigint not null,
    last_message_seq bigint,
    hidden integer not null,
    ttl_minutes double precision,
    ttl_strategy text,
    expires_at bigint
  );
  create index threads_due on threads (due_at) where due_at is not null;
  create index threads_expired on threads (expires_at) where expires_at is not null;
  create index threads_created on threads (created_at, thread_id);

  -- thread_id: null once the thread is gone, until the folder is removed from the disk.
  create table thread_folders (
    folder text primary key,
    thread_id text unique references threads (thread_id) on delete set null
  );
  create index thread_folders_abandoned on thread_folders (folder) where thread_id is null;

  -- retained_from: when the run ended, until retention has removed its events.
  create table runs (
    run_id text primary key,
    thread_id text not null references threads (thread_id) on delete cascade,
    position bigint not null,
    kind text not null,
    assistant_id text not null,
    status text not null,
    metadata text not null,
    kwargs text not null,
    multitask_strategy text not null,
    follow_up_to_run_id text,
    created_at text not null,
    updated_at text not null,
    started_at text,
    ended_at text,
    retained_from bigint,
    not_before bigint not null,
    wait_reason text,
    worker_id text,
    crashes integer not null,
    cancel_action text,
    ending text,
    base_seq bigint,
    auth_user text
  );
  create unique index runs_order on runs (thread_id, position);
  create unique index runs_executing on runs (thread_id) where status = 'running';
  create index runs_pending on runs (thread_id, not_before) where status = 'pending';
  create index runs_queue on runs (thread_id, position) where status = 'pending';
  create index runs_begun on runs (thread_id, position) where status = 'pending' and base_seq is not null;
  create index runs_assistant on runs (assistant_id, thread_id);
  create index runs_retained on runs (retained_from) where retained_from is not null;
  create index runs_created on runs (kind, created_at, run_id);

  -- The row that fences: every write of a worker first moves it under its attempt.
  -- commits: slices that this attempt has committed, by which a worker knows one whose answer was lost.
  create table run_heads (
    run_id text primary key references runs (run_id) on delete cascade,
    attempt bigint not null,
    last_seq bigint not null,
    commits bigint not null default 0,
    ended integer not null
  );

  -- No foreign keys on the tables that grow with every token or step: their rows are written under the run's head row
  -- and deleted with their run or thread in the same transaction.
  -- seq: of the last event in the row. lines: how many events it has, a line of data each; more than one where tokens came
  -- together.
  create table run_events (
    run_id text not null,
    seq bigint not null,
    event text not null,
    data text not null,
    lines integer not null,
    at_ms bigint not null,
    primary key (run_id, seq)
  );

  create table messages (
    thread_id text not null,
    seq bigint not null,
    run_id text not null,
    message_id text not null,
    event_type text not null,
    content text not null,
    caller text,
    created_at text not null,
    primary key (thread_id, seq)
  );
  create unique index messages_identity on messages (thread_id, message_id, run_id);
  create index messages_run on messages (thread_id, run_id, seq);

  create table model_calls (
    thread_id text not null,
    run_id text not null,
    call_id text not null,
    model text not null,
    caller text not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    total_tokens bigint not null,
    cache_read_tokens bigint not null,
    primary key (thread_id, run_id, call_id)
  );

  create table feedback (
    feedback_id text primary key,
    thread_id text not null,
    run_id text not null references runs (run_id) on delete cascade,
    user_id text not null,
    message_id text,
    rating integer not null,
    comment text,
    created_at text not null
  );
  create unique index feedback_once on feedback (thread_id, run_id, user_id);
  create index feedback_run on feedback (run_id);

  -- What is known of each user, as one JSON document.
  create table memories (
    owner text primary key,
    document text not null
  );

  -- Skills that somebody has switched on or off; the others are on.
  create table skill_states (
    name text primary key,
    enabled integer not null
  );

  -- MCP servers that the API has set, before those of runloom.yaml, as JSON by name in the only row; null for one that it
  -- has removed. A secret that is the file's is not in it.
  create table mcp_config (
    id integer primary key,
    servers text not null
  );

  create table idempotency_keys (
    face text not null,
    owner text not null default '',
    idempotency_key text not null,
    body_hash text not null,
    run_id text not null,
    created_ms bigint not null,
    primary key (face, owner, idempotency_key)
  );
  create index idempotency_keys_age on idempotency_keys (created_ms);

  -- closed: items at its end were erased. Texts of them may be cached somewhere, so their places are not used again.
  create table lists (
    thread_id text not null,
    list_id text not null,
    run_id text not null,
    parent_id text,
    parent_length bigint not null,
    closed integer not null,
    primary key (thread_id, list_id)
  );
  create table list_items (
    thread_id text not null,
    list_id text not null,
    idx bigint not null,
    run_id text not null,
    data text not null,
    exact text,
    primary key (thread_id, list_id, idx)
  );
  create table blobs (
    thread_id text not null,
    hash text not null,
    run_id text not null,
    data text not null,
    exact text,
    primary key (thread_id, hash)
  );
  -- position: the order in which a thread's checkpoints were stored. Their ids have the time of the process that made them,
  -- and clocks differ.
  create table checkpoints (
    thread_id text not null,
    checkpoint_ns text not null,
    checkpoint_id text not null,
    parent_id text,
    run_id text not null,
    checkpoint text not null,
    channels text not null,
    metadata text not null,
    position bigint not null default 0,
    primary key (thread_id, checkpoint_ns, checkpoint_id)
  );
  create index checkpoints_order on checkpoints (thread_id, checkpoint_ns, position);
  create table checkpoint_writes (
    thread_id text not null,
    checkpoint_ns text not null,
    checkpoint_id text not null,
    task_id text not null,
    idx bigint not null,
    run_id text not null,
    channel text not null,
    exact text not null,
    primary key (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, run_id)
  );

  -- namespace: labels, each followed by a dot. Compared by bytes, so that a prefix is a range.
  create table items (
    namespace text collate "binary" not null,
    key text collate "binary" not null,
    value text not null,
    created_at text not null,
    updated_at text not null,
    ttl_ms bigint,
    expires_at bigint,
    primary key (namespace, key)
  );
  create index items_expired on items (expires_at) where expires_at is not null;

  -- next_run_date: null while it is not scheduled: disabled, or past its end. ISO dates of one form sort as text.
  create table crons (
    cron_id text primary key,
    owner text not null default '',
    assistant_id text not null,
    thread_id text references threads (thread_id) on delete cascade,
    user_id text,
    auth_user text,
    schedule text not null,
    timezone text,
    end_time text,
    payload text not null,
    metadata text not null,
    on_run_completed text,
    enabled integer not null,
    disabled_reason text,
    next_run_date text,
    created_at text not null,
    updated_at text not null
  );
  create index crons_due on crons (next_run_date) where next_run_date is not null;
  create index crons_thread on crons (thread_id) where thread_id is not null;

  -- The outbox: written in the last transaction of a run. due_at: when it is next to be sent, or, while it is being
  -- sent, when somebody else may take over; null once it is delivered or dead.
  create table webhook_deliveries (
    delivery_id text primary key,
    run_id text not null references runs (run_id) on delete cascade,
    thread_id text not null,
    url text not null,
    origin text not null,
    status text not null,
    attempts bigint not null,
    due_at bigint,
    response_status bigint,
    error text,
    created_at text not null,
    updated_at text not null,
    delivered_at text
  );
  create index webhook_deliveries_due on webhook_deliveries (due_at) where due_at is not null;
  create index webhook_deliveries_run on webhook_deliveries (run_id);
${WORKFLOW_TABLES}`,
]
