-- What the first real clients needed: reasons that can be told, claims that outlive a process, and what the provider reports.

-- Pictures that came as a URL.
alter table images add column copy_error text; -- why its last copy failed, fit for a client; null: none failed
alter table images add column copy_host text not null default '?'; -- where provider_url leads: so many at once from each
update images set copy_host = coalesce(nullif(substr(provider_url, instr(provider_url, '//') + 2,
    instr(substr(provider_url, instr(provider_url, '//') + 2) || '/', '/') - 1), ''), '?')
  where copy_at is not null;
-- The hosts in turn, and of each those apart that were not tried yet.
create index images_to_copy_by_host on images (copy_host, copy_attempts > 0, copy_at) where copy_at is not null;

-- What the provider reports of a task.
alter table tasks add column usage text; -- JSON, as its result had it
alter table tasks add column cost_micro_credits integer; -- what its result says that it cost, in millionths of a credit
alter table tasks add column record_type text; -- the type of its record at the provider

-- A trace id of the client's own. It may be the same for any number of jobs, its tasks' too where the provider repeats it: each
-- owner's are found without walking through everybody's.
alter table jobs add column client_trace_id text;
create index jobs_by_client_trace on jobs (client_trace_id, owner, id) where client_trace_id is not null;
create index jobs_by_client_trace_time on jobs (client_trace_id, created_at) where client_trace_id is not null;
drop index tasks_by_trace;
create index tasks_by_trace on tasks (trace_id, owner, id) where trace_id is not null;

-- Who waits for a job's answer on a connection that is held for it, and how the last such connection ended.
alter table jobs add column caller text; -- the address it was submitted from, where no keys are configured
alter table jobs add column undelivered_at integer; -- when a connection that waited for it ended without its answer
create table waiters (
  job_id      text    not null,
  connection  text    not null, -- an id of ours
  held_by     text    not null, -- the process that has the connection
  retry_count integer not null, -- as its request says; 0: not marked as a retry
  constraint waiters_key primary key (job_id, connection),
  constraint waiters_job foreign key (job_id) references jobs (id) on delete cascade
) strict, without rowid;
-- Only what may still be claimed: each request of OpenAI's interface is looked for here.
create index jobs_unanswered on jobs (owner, fingerprint, created_at) where answered_at is null;
drop index jobs_by_fingerprint;

-- The outbox.
alter table deliveries add column claimed_by text -- the process that is sending it now
  constraint deliveries_claimed check (claimed_by is null or status = 'pending');
