-- Postfix operators, which 14 took away. Columns: object.
select o.oid::regoperator::text
from pg_operator as o
where o.oprright = 0
  and o.oid >= 16384
order by 1
