-- Assignments to pg_index: the first bit of each key's option is DESC.
indoption = (
    select string_agg((option # 1)::text, ' ' order by n)
    from unnest(indoption::smallint[]) with ordinality as o (option, n)
)::int2vector
