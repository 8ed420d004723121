-- What the first real clients needed: reasons that can be told, claims that outlive a process, and what the provider reports.

-- Pictures that came as a URL.
alter table images add column copy_error text; -- why its last copy failed, fit for a client; null: none failed

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

-- Whose connection waits for a job, and how the last one ended.
alter table jobs add column caller text; -- the address it was submitted from, where no keys are configured
alter table jobs add column held_by text; -- the process that holds a connection for it
alter table jobs add column held_count integer; -- the retry count that the connection's request named; 0: not marked as a retry
alter table jobs add column undelivered_at integer; -- when a connection that waited for it ended without its answer

-- The outbox.
alter table deliveries add column claimed_by text; -- the process that is sending it now
