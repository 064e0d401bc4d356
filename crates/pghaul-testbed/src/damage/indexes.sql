-- The unique indexes of the table that the index $1 is on.
select
    i.indrelid::regclass::text as relation,
    i.indexrelid = $1::text::regclass as asked,
    i.indexrelid::regclass::text as name,
    i.indisunique and i.indisvalid and i.indisready as is_sound,
    pg_get_expr(i.indpred, i.indrelid) as predicate,
    -- expressions and columns, as SQL
    array(
        select pg_get_indexdef(i.indexrelid, n, true)
        from generate_series(1, keys.count) as n
        order by n
    ) as keys,
    -- those keys that are columns
    array(
        select quote_ident(a.attname)
        from unnest(keys.attributes) with ordinality as k (attnum, n)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        order by k.n
    ) as columns,
    -- all columns that its keys and its predicate read, not those that are merely included
    array(
        select quote_ident(a.attname)
        from pg_attribute a
        where a.attrelid = i.indrelid
            and a.attnum > 0
            and (
                a.attnum = any (keys.attributes)
                or a.attnum <> all (i.indkey::smallint[]) and exists (
                    select from pg_depend d
                    where d.classid = 'pg_class'::regclass
                        and d.objid = i.indexrelid
                        and d.refclassid = 'pg_class'::regclass
                        and d.refobjid = i.indrelid
                        and d.refobjsubid = a.attnum
                )
            )
        order by a.attnum
    ) as reads,
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as nulls_equal
from pg_index i
cross join lateral (
    select coalesce((to_jsonb(i) ->> 'indnkeyatts')::integer, i.indnatts) as count
) as counted
cross join lateral (
    select
        counted.count,
        array(
            select attnum
            from unnest(i.indkey::smallint[]) with ordinality as k (attnum, n)
            where n <= counted.count
            order by n
        ) as attributes
) as keys
where i.indrelid = (select indrelid from pg_index where indexrelid = $1::text::regclass)
    and (i.indisunique or i.indexrelid = $1::text::regclass)
order by not i.indisprimary, name
