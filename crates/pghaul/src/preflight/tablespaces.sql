-- Tablespaces that tables and indexes of this database lie in. Columns: object, relations.
select quote_ident(t.spcname), count(*)
from pg_class as c
join pg_tablespace as t on t.oid = c.reltablespace
where c.relkind in ('r', 'm', 'i', 'p', 'I')
  and t.spcname !~ '^pg_'
group by 1
order by 1
