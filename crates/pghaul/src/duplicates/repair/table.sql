-- What the server would refuse, and what a repair must know, of the table $1.
select c.oid::int8
     , pg_catalog.pg_has_role(c.relowner, 'usage') as owned
     , pg_catalog.has_table_privilege(c.oid, 'select')
       and pg_catalog.has_table_privilege(c.oid, 'update')
       and pg_catalog.has_table_privilege(c.oid, 'delete') as writable
     , array(
           select r.rulename::text from pg_catalog.pg_rewrite r
            where r.ev_class = c.oid and r.ev_enabled <> 'D'
            order by 1
       ) as rules
     , array(
           select t.tgname::text from pg_catalog.pg_trigger t
            where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D'
            order by 1
       ) as triggers
     , array(
           select t.tgenabled::text from pg_catalog.pg_trigger t
            where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D'
            order by t.tgname::text
       ) as states
     , c.relreplident = 'n'
       or c.relreplident = 'd'
          and not exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary)
       as without_identity
     , c.relrowsecurity and (c.relforcerowsecurity or not pg_catalog.pg_has_role(c.relowner, 'usage'))
       and not (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.rolname = current_user)
       as secured
     , array(
           select pg_catalog.json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))::text
             from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
       ) as columns
     , array(
           select a.attname::text
             from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''
            order by a.attnum
       ) as stored
     -- With the partitions of those that are partitioned: a partition that is referred to has the foreign
     -- keys of their roots alone.
     , array(
           with recursive referring (oid) as (
                  select o.conrelid from pg_catalog.pg_constraint o
                   where o.confrelid = c.oid and o.contype = 'f'
                   union
                  select h.inhrelid
                    from referring
                    join pg_catalog.pg_class p on p.oid = referring.oid and p.relkind = 'p'
                    join pg_catalog.pg_inherits h on h.inhparent = p.oid
           )
           select referring.oid::int8 from referring order by 1
       ) as children
     , array(
           select a.attname::text
             from pg_catalog.pg_attribute a
             join pg_catalog.pg_type t on t.oid = a.atttypid
             join pg_catalog.pg_cast k on k.casttarget = coalesce(nullif(t.typbasetype, 0), t.oid)
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              and t.typarray <> 0
              and k.castsource = 'text'::pg_catalog.regtype
              and k.castmethod = 'f'
       ) as cast_otherwise
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1
   and c.relname = $2
   and c.relkind = 'r'
