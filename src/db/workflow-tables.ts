// The tables of plans, of workflow runs and of sessions: a part of the first migration.
export const WORKFLOW_TABLES = `
  -- Compiled workflows, kept for good.
  create table plans (
    owner text not null,
    plan_hash text not null,
    plan text not null,
    created_at text not null,
    primary key (owner, plan_hash)
  );

  create table sessions (
    session_id text primary key,
    owner text not null,
    customer_id text,
    metadata text not null,
    created_at text not null,
    updated_at text not null
  );
  create index sessions_used on sessions (owner, updated_at);

  -- message_id: its order is the messages'. No foreign key: a session may go while a run is about to leave its answer there.
  create table session_messages (
    session_id text not null,
    message_id text not null,
    role text not null,
    content text not null,
    run_id text,
    created_at text not null,
    primary key (session_id, message_id)
  );

  -- scope_id: of a session, or of the run, with which the value goes.
  create table workflow_values (
    scope_id text not null,
    run_id text references runs (run_id) on delete cascade,
    key text not null,
    value text not null,
    primary key (scope_id, key)
  );
  create index workflow_values_run on workflow_values (run_id) where run_id is not null;

  create table workflow_tasks (
    run_id text primary key references runs (run_id) on delete cascade,
    tasks text not null
  );

  -- What outsiders have sent to a run. taken: its owner has written it into the log.
  create table run_inputs (
    run_id text not null references runs (run_id) on delete cascade,
    input_key text not null,
    data text not null,
    taken integer not null,
    primary key (run_id, input_key)
  );
  create index run_inputs_new on run_inputs (run_id) where taken = 0;

  -- The nodes of a workflow run that have begun, fan-out items (parent_id) included, as its events left them.
  create table workflow_nodes (
    run_id text not null references runs (run_id) on delete cascade,
    node_id text not null,
    parent_id text,
    status text not null,
    started_ms bigint not null,
    ended_ms bigint,
    output text,
    error text,
    primary key (run_id, node_id)
  );

  -- The model calls of their nodes. results: by tool call id. waiting_until: while the client has calls to answer.
  -- failure: why the answer does not count.
  create table workflow_steps (
    run_id text not null references runs (run_id) on delete cascade,
    node_id text not null,
    step bigint not null,
    request_id text not null,
    provider text,
    model text not null,
    response_id text,
    stop_reason text,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cost_nano_usd bigint not null default 0,
    message text not null,
    results text not null,
    waiting_until bigint,
    failure text,
    primary key (run_id, node_id, step)
  );
`
