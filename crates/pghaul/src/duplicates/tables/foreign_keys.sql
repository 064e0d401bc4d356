-- The foreign keys of all user tables.
select cn.nspname::text
     , c.relname::text
     , pn.nspname::text
     , p.relname::text
     , o.conname::text
     , o.confupdtype::text
     , o.confdeltype::text
     , array(
           select a.attname::text
             from pg_catalog.unnest(o.conkey) with ordinality k (attnum, place)
             join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum
            order by k.place
       ) as columns
     , array(
           select a.attname::text
             from pg_catalog.unnest(o.confkey) with ordinality k (attnum, place)
             join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum
            order by k.place
       ) as referred
       -- What compares the columns, where values can be equal whose texts differ: 1.0 and 1.00, citext,
       -- char(n), collations that are not deterministic. The foreign key compares by the collation of
       -- what it refers to.
     , case when exists (
           select
             from unnest(o.conkey, o.confkey) as k (child, parent)
             join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.child
             join pg_catalog.pg_attribute b on b.attrelid = o.confrelid and b.attnum = k.parent
             join pg_catalog.pg_type at on at.oid = a.atttypid
             join pg_catalog.pg_type bt on bt.oid = b.atttypid
             left join pg_catalog.pg_collation ac on ac.oid = a.attcollation
             left join pg_catalog.pg_collation bc on bc.oid = b.attcollation
            where not (at.typname in ('int2', 'int4', 'int8') and bt.typname in ('int2', 'int4', 'int8')
                    or at.typname in ('text', 'varchar') and bt.typname in ('text', 'varchar')
                    or at.oid = bt.oid
                       and (at.typname in ('uuid', 'bytea', 'bool', 'oid', 'date', 'timestamp', 'timestamptz')
                            or at.typtype = 'e'))
               or at.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace and at.typtype <> 'e'
               or bt.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace and bt.typtype <> 'e'
               or not coalesce((pg_catalog.to_jsonb(ac) ->> 'collisdeterministic')::bool, true)
               or not coalesce((pg_catalog.to_jsonb(bc) ->> 'collisdeterministic')::bool, true)
       ) then array(
           select case when l.oid is null then '' else pg_catalog.format('collate %I.%I ', cl.nspname, l.collname) end
                  || pg_catalog.format('operator(%I.%s)', n.nspname, e.oprname)
             from unnest(o.confkey, o.conpfeqop) with ordinality k (parent, equal, place)
             join pg_catalog.pg_attribute b on b.attrelid = o.confrelid and b.attnum = k.parent
             join pg_catalog.pg_operator e on e.oid = k.equal
             join pg_catalog.pg_namespace n on n.oid = e.oprnamespace
             left join pg_catalog.pg_collation l on l.oid = b.attcollation
             left join pg_catalog.pg_namespace cl on cl.oid = l.collnamespace
            order by k.place
       ) else '{}' end as equal
       -- One that is not (18) does nothing by itself.
     , coalesce((pg_catalog.to_jsonb(o) ->> 'conenforced')::bool, true) as enforced
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = o.confrelid
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 where o.contype = 'f'
   and cn.nspname <> 'pghaul'
   and coalesce((pg_catalog.to_jsonb(o) ->> 'conparentid')::int8, 0) = 0
 order by cn.nspname::text collate "C", c.relname::text collate "C", o.conname::text collate "C"
