-- The event triggers that the run has carried are about the database's own objects; up to 16 this keeps
-- them quiet, if anything does (Postgres manual, "Client Connection Defaults").
select pg_catalog.set_config('session_replication_role', 'replica', true)
  from pg_catalog.pg_roles
 where rolname = current_user and rolsuper
