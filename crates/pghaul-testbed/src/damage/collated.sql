-- Assignments to pg_index: keys with a collation get the one whose OID is put in, and an operator
-- class that heeds it.
indcollation = (
    select string_agg(
        (case when former = 0 then 0 else :collation end)::text, ' ' order by n
    )
    from unnest(indcollation::oid[]) with ordinality as c (former, n)
)::oidvector,
indclass = (
    select string_agg(coalesce(plain.oid, class.oid)::text, ' ' order by n)
    from unnest(indclass::oid[]) with ordinality as c (oid, n)
    join pg_opclass class on class.oid = c.oid
    left join pg_opclass plain
        on class.opcname ~ '_pattern_ops$'
        and plain.opcmethod = class.opcmethod
        and plain.opcintype = class.opcintype
        and plain.opcdefault
)::oidvector
