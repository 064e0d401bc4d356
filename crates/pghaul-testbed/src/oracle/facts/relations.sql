-- Physical and legal facts of tables, views, indexes, sequences. $1: schemas left out.
select case c.relkind when 'i' then 'index' when 'I' then 'index' when 'S' then 'sequence' else 'relation' end
           || format(' %I.%I', n.nspname, c.relname) as object,
       f.fact,
       f.value
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_am a on a.oid = c.relam
left join pg_class t on t.oid = c.reltoastrelid
cross join lateral (
    values
        ('kind', c.relkind::text),
        ('persistence', c.relpersistence::text),
        ('owner', pg_get_userbyid(c.relowner)::text),
        ('replica identity', c.relreplident::text),
        ('populated', c.relispopulated::text),
        ('row security', c.relrowsecurity::text || ' ' || c.relforcerowsecurity),
        ('access method', case when c.relkind in ('r', 'm') then coalesce(a.amname::text, 'heap') else a.amname::text end),
        ('options', (select string_agg(o, ', ' order by o) from unnest(c.reloptions) as o)),
        ('toast options', (select string_agg(o, ', ' order by o) from unnest(t.reloptions) as o)),
        ('tablespace', (select s.spcname::text from pg_tablespace s where s.oid = c.reltablespace)),
        ('row type of', nullif(c.reloftype, 0)::regtype::text),
        ('oids', nullif(to_jsonb(c) ->> 'relhasoids', 'false')),
        (
            'parents',
            (
                select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno)
                from pg_inherits i
                where i.inhrelid = c.oid
            )
        )
) as f(fact, value)
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S', 'c')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and c.oid not in (
      select d.objid from pg_depend d where d.classid = 'pg_class'::regclass and d.deptype = 'e'
      union all
      select x.indexrelid
      from pg_depend d
      join pg_index x on x.indrelid = d.objid
      where d.classid = 'pg_class'::regclass and d.deptype = 'e'
  )
