-- Statements that each give the name of a table or populated materialized view of the schema
-- public, its rows, and the sum of the first halves of the md5 of its rows: whatever their order,
-- and with doubled rows counted twice.
select format(
    $$select %L, count(*), coalesce(sum(('x' || md5((t.*)::text))::bit(64)::bigint::numeric), 0) from only %s as t$$,
    relname, oid::regclass
)
from pg_class
where relkind in ('r', 'm') and relnamespace = 'public'::regnamespace and relispopulated
order by relname::text collate "C"
