-- Aggregates and operators over functions on anyarray that take anycompatiblearray from 14 on (as pg_upgrade finds them). Columns: object, kind.
with old as (
    select oid::regproc as name, oid
    from pg_proc
    where oid::regprocedure::text in (
        'array_append(anyarray,anyelement)', 'array_cat(anyarray,anyarray)',
        'array_prepend(anyelement,anyarray)', 'array_remove(anyarray,anyelement)',
        'array_replace(anyarray,anyelement,anyelement)', 'array_position(anyarray,anyelement)',
        'array_position(anyarray,anyelement,integer)', 'array_positions(anyarray,anyelement)',
        'width_bucket(anyelement,anyarray)')
)
select p.oid::regprocedure::text, 'aggregate'
from pg_proc as p
join pg_aggregate as a on a.aggfnoid = p.oid
where p.oid >= 16384
  and (a.aggtransfn in (select oid from old) and a.aggtranstype in ('anyarray'::regtype, 'anyelement'::regtype)
       or a.aggfinalfn in (select oid from old))
union all
select o.oid::regoperator::text, 'operator'
from pg_operator as o
where o.oid >= 16384
  and o.oprcode in (select oid from old)
  and o.oprleft in ('anyarray'::regtype, 'anyelement'::regtype)
order by 1
