-- Of wanted objects (kind, schema or '', name as pg_dump's tag), the places of those whose name
-- is taken. Relations share one name space, and so do their row types with all other types.
-- Names of types are quoted as they need it here, and as everything was there: quotes do not count.
select wanted.place
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted (kind, schema_name, tag, place)
left join pg_catalog.pg_namespace as schema on schema.nspname = wanted.schema_name
where case
    when wanted.kind in ('TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'INDEX') then
        exists (select from pg_catalog.pg_class where relnamespace = schema.oid and relname = wanted.tag)
        or wanted.kind in ('TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW')
        and exists (select from pg_catalog.pg_type where typnamespace = schema.oid and typname = wanted.tag
                                                     and typcategory <> 'A')
    when wanted.kind in ('TYPE', 'SHELL TYPE', 'DOMAIN') then
        exists (select from pg_catalog.pg_type where typnamespace = schema.oid and typname = wanted.tag
                                                 and typcategory <> 'A')
    when wanted.kind in ('FUNCTION', 'PROCEDURE', 'AGGREGATE') then
        exists (select from pg_catalog.pg_proc
                where pronamespace = schema.oid
                  and pg_catalog.replace(proname || '(' || pg_catalog.oidvectortypes(proargtypes) || ')', '"', '')
                      = pg_catalog.replace(pg_catalog.replace(wanted.tag, '(*)', '()'), '"', ''))
    when wanted.kind = 'SCHEMA' then
        exists (select from pg_catalog.pg_namespace where nspname = wanted.tag)
    when wanted.kind = 'COLLATION' then
        exists (select from pg_catalog.pg_collation where collnamespace = schema.oid and collname = wanted.tag)
    when wanted.kind = 'CONVERSION' then
        exists (select from pg_catalog.pg_conversion where connamespace = schema.oid and conname = wanted.tag)
    when wanted.kind = 'TEXT SEARCH CONFIGURATION' then
        exists (select from pg_catalog.pg_ts_config where cfgnamespace = schema.oid and cfgname = wanted.tag)
    when wanted.kind = 'TEXT SEARCH DICTIONARY' then
        exists (select from pg_catalog.pg_ts_dict where dictnamespace = schema.oid and dictname = wanted.tag)
    when wanted.kind = 'TEXT SEARCH PARSER' then
        exists (select from pg_catalog.pg_ts_parser where prsnamespace = schema.oid and prsname = wanted.tag)
    when wanted.kind = 'TEXT SEARCH TEMPLATE' then
        exists (select from pg_catalog.pg_ts_template where tmplnamespace = schema.oid and tmplname = wanted.tag)
    when wanted.kind = 'PROCEDURAL LANGUAGE' then
        exists (select from pg_catalog.pg_language where lanname = wanted.tag)
    when wanted.kind = 'ACCESS METHOD' then
        exists (select from pg_catalog.pg_am where amname = wanted.tag)
    when wanted.kind = 'FOREIGN DATA WRAPPER' then
        exists (select from pg_catalog.pg_foreign_data_wrapper where fdwname = wanted.tag)
    when wanted.kind = 'SERVER' then
        exists (select from pg_catalog.pg_foreign_server where srvname = wanted.tag)
    when wanted.kind = 'STATISTICS' then -- from 10
        exists (select from pg_catalog.pg_statistic_ext where stxnamespace = schema.oid and stxname = wanted.tag) -- from 10
    when wanted.kind = 'PUBLICATION' then -- from 10
        exists (select from pg_catalog.pg_publication where pubname = wanted.tag) -- from 10
    when wanted.kind = 'SUBSCRIPTION' then -- from 10
        exists (select from pg_catalog.pg_subscription -- from 10
                join pg_catalog.pg_database as database on database.oid = subdbid -- from 10
                where datname = pg_catalog.current_database() and subname = wanted.tag) -- from 10
    when wanted.kind = 'EVENT TRIGGER' then
        exists (select from pg_catalog.pg_event_trigger where evtname = wanted.tag)
    else false
end
