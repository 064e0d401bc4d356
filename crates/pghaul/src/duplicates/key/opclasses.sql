-- unnest of several arrays is known to the parser by its bare name only.
-- What btree operator classes mean by equal: $1 are their schemas, $2 their names.
select s.place::int8
     , o.opcintype::int8
     , pg_catalog.format_type(o.opcintype, -1) as type_name
     , t.typtype = 'p' as polymorphic
     , e.amopopr::int8 as equal
     , en.nspname::text
     , eo.oprname::text
     , ln.nspname::text
     , lo.oprname::text
     , (select pg_catalog.count(*) from pg_catalog.pg_amop a
         where a.amopopr = l.amopopr and a.amopmethod = o.opcmethod and a.amopstrategy in (1, 5)) as less_families
     , h.schema
     , h.function
     , h.extended
  from unnest($1::text[], $2::text[]) with ordinality s (schema, name, place)
  join pg_catalog.pg_namespace n on n.nspname = s.schema
  join pg_catalog.pg_am m on m.amname = 'btree'
  join pg_catalog.pg_opclass o on o.opcnamespace = n.oid and o.opcname = s.name and o.opcmethod = m.oid
  join pg_catalog.pg_type t on t.oid = o.opcintype
  join pg_catalog.pg_amop e
    on e.amopfamily = o.opcfamily and e.amopstrategy = 3
   and e.amoplefttype = o.opcintype and e.amoprighttype = o.opcintype
  join pg_catalog.pg_operator eo on eo.oid = e.amopopr
  join pg_catalog.pg_namespace en on en.oid = eo.oprnamespace
  join pg_catalog.pg_amop l
    on l.amopfamily = o.opcfamily and l.amopstrategy = 1
   and l.amoplefttype = o.opcintype and l.amoprighttype = o.opcintype
  join pg_catalog.pg_operator lo on lo.oid = l.amopopr
  join pg_catalog.pg_namespace ln on ln.oid = lo.oprnamespace
  left join lateral (
       -- Hash families that have this very operator: their functions agree with it (manual, 36.16.3).
       -- The second support function gives 64 bits (11 and newer).
       select pn.nspname::text as schema
            , p.proname::text as function
            , hp.amprocnum = 2 as extended
         from pg_catalog.pg_amop ha
         join pg_catalog.pg_am hm on hm.oid = ha.amopmethod and hm.amname = 'hash'
         join pg_catalog.pg_amproc hp
           on hp.amprocfamily = ha.amopfamily
          and hp.amproclefttype = ha.amoplefttype and hp.amprocrighttype = ha.amoplefttype
         join pg_catalog.pg_proc p on p.oid = hp.amproc
         join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace
        where ha.amopopr = e.amopopr and ha.amopstrategy = 1
          and ha.amoplefttype = ha.amoprighttype
          and hp.amprocnum in (1, 2)
        order by hp.amprocnum desc, ha.amopfamily
        limit 1) h on true
