-- The columns of the table $1 that an INSERT may name, and how a copy of a row could get another
-- value in each. What 9.6 has no column for is read through jsonb.
select
    quote_ident(a.attname) as name,
    format_type(a.atttypid, a.atttypmod) as type,
    not a.attnotnull as nullable,
    t.typcategory = 'S' as is_text,
    a.atttypid in ('bigint'::regtype, 'integer'::regtype) as is_integer,
    case
        when pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\(' then pg_get_expr(d.adbin, d.adrelid)
    end as next,
    coalesce(to_jsonb(a) ->> 'attidentity', '') = 'a' as is_always,
    f.parent,
    f.parent_column
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join lateral (
    select c.confrelid::regclass::text as parent, quote_ident(p.attname) as parent_column
    from pg_constraint c
    join pg_attribute p on p.attrelid = c.confrelid and p.attnum = c.confkey[1]
    where c.conrelid = a.attrelid and c.contype = 'f' and c.conkey = array[a.attnum]
    order by c.conname
    limit 1
) as f on true
where a.attrelid = $1::text::regclass
    and a.attnum > 0
    and not a.attisdropped
    and coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''
order by a.attnum
