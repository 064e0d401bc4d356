-- Physical facts of columns, those of indexes too. $1: schemas left out.
select 'column ' || format('%I.%I', n.nspname, c.relname) || '.'
           || case when c.relkind in ('i', 'I') then a.attnum::text else quote_ident(a.attname) end as object,
       f.fact,
       f.value
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (
    values
        ('type', format_type(a.atttypid, a.atttypmod)),
        ('storage', a.attstorage::text),
        ('compression', coalesce(to_jsonb(a) ->> 'attcompression', '')),
        ('statistics target', coalesce(nullif(to_jsonb(a) ->> 'attstattarget', '-1'), 'default')),
        ('options', (select string_agg(o, ', ' order by o) from unnest(a.attoptions) as o)),
        ('not null', a.attnotnull::text),
        ('identity', coalesce(to_jsonb(a) ->> 'attidentity', '')),
        ('generated', coalesce(to_jsonb(a) ->> 'attgenerated', '')),
        ('default', case when c.relkind not in ('v', 'm') then pg_get_expr(d.adbin, d.adrelid) end),
        (
            'collation',
            (
                select o.collname::text
                from pg_collation o
                join pg_type t on t.oid = a.atttypid
                where o.oid = a.attcollation and a.attcollation <> t.typcollation
            )
        ),
        ('local', a.attislocal::text),
        ('inherited', a.attinhcount::text),
        (
            'position',
            -- Children of inheritance may get another order: see the list of version differences.
            case when (to_jsonb(c) ->> 'relispartition')::boolean
                or not exists (select from pg_inherits i where i.inhrelid = c.oid)
            then (
                select count(*)::text
                from pg_attribute b
                where b.attrelid = a.attrelid and b.attnum between 1 and a.attnum and not b.attisdropped
            ) end
        )
) as f(fact, value)
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'c')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and a.attnum > 0
  and not a.attisdropped
  and c.oid not in (
      select d.objid from pg_depend d where d.classid = 'pg_class'::regclass and d.deptype = 'e'
      union all
      select x.indexrelid
      from pg_depend d
      join pg_index x on x.indrelid = d.objid
      where d.classid = 'pg_class'::regclass and d.deptype = 'e'
  )
