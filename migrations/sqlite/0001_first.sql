-- Times are milliseconds since 1970 (UTC) and end in _at; sizes are bytes. JSON columns hold text that json_valid accepts.
-- Alternatives are spelled out: for `in` with more than two, SQLite fills a table each time that a row is written.
-- A picture's bytes are never here: a row names a file in the job's folder.

create table jobs (
  id               text    not null,
  owner            text    not null, -- the API key's name; '' where no keys are configured
  status           text    not null,
  model            text    not null,
  counted_as       text    not null, -- its model where the catalogue knew it, else 'other'
  prompt           text    not null,
  params           text    not null,
  n                integer not null,
  metadata         text    not null,
  warnings         text    not null,
  webhook_url      text,
  webhook_events   text    not null,
  callback_url     text, -- a client's own, which gets the result in the provider's shape
  callback_base64  integer not null default 0, -- with the pictures' bytes in it
  fingerprint      text    not null, -- what makes two requests the same: sha256, hex
  answered_at      integer, -- null: its connection was held for the result and never given it, so that a retry may claim it
  retry_of         text,
  created_at       integer not null,
  submitted_at     integer,
  completed_at     integer,
  expires_at       integer not null,
  constraint jobs_key primary key (id),
  constraint jobs_status check (status = 'queued' or status = 'processing' or status = 'succeeded' or status = 'failed'
    or status = 'canceled' or status = 'expired'),
  constraint jobs_completed check ((completed_at is not null) = (status = 'succeeded' or status = 'failed'
    or status = 'canceled' or status = 'expired')),
  constraint jobs_n check (n between 1 and 10),
  constraint jobs_json check (json_valid(params) and json_valid(metadata) and json_valid(warnings) and json_valid(webhook_events))
) strict;

create index jobs_by_owner on jobs (owner, id);
create index jobs_by_owner_status on jobs (owner, status, id);
create index jobs_by_owner_model on jobs (owner, model, id);
create index jobs_by_owner_time on jobs (owner, created_at, id);
create index jobs_by_fingerprint on jobs (owner, fingerprint, id);
create index jobs_by_completed on jobs (completed_at) where completed_at is not null;

create table inputs (
  job_id       text    not null,
  position     integer not null,
  role         text    not null,
  url          text, -- as the client gave it
  file         text, -- null: not here (yet)
  content_type text,
  size_bytes   integer,
  sha256       text,
  width        integer,
  height       integer,
  constraint inputs_key primary key (job_id, position),
  constraint inputs_job foreign key (job_id) references jobs (id) on delete cascade,
  constraint inputs_role check (role in ('image', 'mask')),
  constraint inputs_somewhere check (url is not null or file is not null),
  constraint inputs_file check ((file is null) = (sha256 is null) and (file is null) = (size_bytes is null))
) strict, without rowid;

-- Ids are in order of creation, which is the order of submitting, and never used again: a callback's token is made of one.
create table tasks (
  id               integer primary key autoincrement,
  job_id           text    not null,
  owner            text    not null,
  position         integer not null,
  status           text    not null,
  charge           text    not null default 'none',
  attempts         integer not null default 0,
  server_errors    integer not null default 0, -- how often the provider answered 500
  due_at           integer not null, -- queued: not to be submitted before
  claimed_by       text,
  claimed_until    integer,
  provider_task_id text,
  trace_id         text,
  source           text,
  error            text,
  polls            integer not null default 0,
  poll_at          integer, -- when to ask the provider for it next; null: not to be asked for
  submitted_at     integer,
  completed_at     integer,
  late_result_at   integer,
  expires_at       integer not null,
  constraint tasks_position unique (job_id, position),
  constraint tasks_job foreign key (job_id) references jobs (id) on delete cascade,
  constraint tasks_status check (status = 'queued' or status = 'submitting' or status = 'submitted' or status = 'unconfirmed'
    or status = 'succeeded' or status = 'failed' or status = 'canceled' or status = 'expired'),
  constraint tasks_charge check (charge = 'none' or charge = 'possible' or charge = 'made'),
  constraint tasks_source check (source = 'callback' or source = 'poll' or source = 'inline'),
  constraint tasks_running check ((status <> 'submitting' and status <> 'submitted' and status <> 'unconfirmed')
    or (charge = 'possible' and attempts > 0)),
  constraint tasks_claimed check ((status = 'submitting') = (claimed_by is not null)),
  constraint tasks_completed check ((completed_at is not null) = (status = 'succeeded' or status = 'failed'
    or status = 'canceled' or status = 'expired')),
  constraint tasks_succeeded check (status <> 'succeeded' or (source is not null and charge = 'made')),
  constraint tasks_error check (error is null or json_valid(error))
) strict;

create index tasks_by_provider_id on tasks (provider_task_id) where provider_task_id is not null;
create index tasks_by_trace on tasks (trace_id) where trace_id is not null;
create index tasks_queued on tasks (owner, id) where status = 'queued';
create index tasks_queued_due on tasks (due_at) where status = 'queued';
create index tasks_unfinished on tasks (status, expires_at) where completed_at is null;
create index tasks_to_poll on tasks (poll_at) where poll_at is not null;

-- Whose turn it is: the key whose last claim is longest ago goes first, over restarts too.
create table turns (
  owner     text    not null,
  last_turn integer not null,
  constraint turns_key primary key (owner)
) strict, without rowid;

create table images (
  job_id         text    not null,
  position       integer not null, -- in order of arrival; never changes
  task_id        integer not null,
  late           integer not null, -- 1: came after the task's final state
  provider_url   text,
  revised_prompt text,
  created        integer, -- seconds since 1970, as the provider says
  file           text, -- null: not copied yet
  content_type   text,
  size_bytes     integer,
  sha256         text,
  width          integer,
  height         integer,
  arrived_at     integer not null,
  copy_attempts  integer not null default 0,
  copy_at        integer, -- when to copy it from provider_url; null: done, or given up
  constraint images_key primary key (job_id, position),
  constraint images_job foreign key (job_id) references jobs (id) on delete cascade,
  constraint images_late check (late in (0, 1)),
  constraint images_somewhere check (provider_url is not null or file is not null),
  constraint images_file check ((file is null) = (sha256 is null) and (file is null) = (size_bytes is null)),
  constraint images_copy check (copy_at is null or (file is null and provider_url is not null))
) strict, without rowid;

create index images_to_copy on images (copy_at) where copy_at is not null;

-- Kept with each commit, so that nobody has to walk through all rows to count them: `jobs STATUS MODEL`, with the model as in
-- jobs.counted_as; `bytes input` and `bytes output`, of the pictures that rows name. Nothing is checked here: a total that is
-- wrong must not be what refuses a result.
create table totals (
  name   text    not null,
  amount integer not null,
  constraint totals_key primary key (name)
) strict, without rowid;

-- One row for each POST that came in with a good token.
create table callbacks (
  job_id      text    not null,
  position    integer not null, -- in order of arrival
  task_id     integer not null,
  received_at integer not null,
  size_bytes  integer not null,
  outcome     text    not null,
  body        text, -- without its pictures; null where it is in the file
  file        text, -- the beginning of one that could not be read
  constraint callbacks_key primary key (job_id, position),
  constraint callbacks_job foreign key (job_id) references jobs (id) on delete cascade,
  constraint callbacks_outcome check (outcome = 'applied' or outcome = 'duplicate' or outcome = 'late' or outcome = 'malformed')
) strict, without rowid;

-- A job's history. Ids grow and are never used again, so that a reader goes on after the last one it saw.
create table events (
  id     integer primary key autoincrement,
  job_id text    not null,
  owner  text    not null,
  type   text    not null,
  at     integer not null,
  constraint events_job foreign key (job_id) references jobs (id) on delete cascade
) strict;

create index events_by_job on events (job_id, id);
-- For a reader of one key that was away for long: without it, its events are looked for among everybody's.
create index events_by_owner on events (owner, id);

-- The outbox: what we are to POST, written together with what it tells of.
create table deliveries (
  id         text    not null, -- the webhook-id
  job_id     text    not null,
  kind       text    not null,
  type       text    not null,
  url        text    not null,
  host       text    not null, -- of the URL: so many at once to each
  status     text    not null,
  attempts   integer not null default 0,
  due_at     integer, -- while one is being sent: when it counts as lost with its process; null: over
  created_at integer not null,
  constraint deliveries_key primary key (id),
  constraint deliveries_job foreign key (job_id) references jobs (id) on delete cascade,
  constraint deliveries_kind check (kind in ('webhook', 'callback')),
  constraint deliveries_status check (status = 'pending' or status = 'delivered' or status = 'failed'),
  constraint deliveries_due check ((due_at is not null) = (status = 'pending'))
) strict, without rowid;

create index deliveries_by_job on deliveries (job_id, created_at);
create index deliveries_due_first on deliveries (due_at) where due_at is not null;
create index deliveries_due_by_host on deliveries (host, due_at) where due_at is not null;

create table delivery_attempts (
  id          integer not null,
  delivery_id text    not null,
  at          integer not null,
  status      integer, -- null: no answer
  duration_ms integer not null,
  answer      text, -- its first kB, or why there was none
  constraint delivery_attempts_key primary key (id),
  constraint delivery_attempts_delivery foreign key (delivery_id) references deliveries (id) on delete cascade
) strict;

create index delivery_attempts_by_delivery on delivery_attempts (delivery_id, id);

-- No foreign key: the key goes on protecting against a second charge after the job was deleted.
create table idempotency_keys (
  owner       text    not null,
  key         text    not null,
  job_id      text    not null,
  fingerprint text    not null,
  created_at  integer not null,
  answer      text, -- the job as it was answered; null: the first request is still under way, or the job was deleted
  constraint idempotency_keys_key primary key (owner, key),
  constraint idempotency_keys_answer check (answer is null or json_valid(answer))
) strict, without rowid;

create index idempotency_keys_by_age on idempotency_keys (created_at);
create index idempotency_keys_by_job on idempotency_keys (job_id);

-- What holds back the removal of old jobs and files for a while, such as a backup that is being made.
create table holds (
  name     text    not null,
  until_at integer not null,
  constraint holds_key primary key (name)
) strict, without rowid;
