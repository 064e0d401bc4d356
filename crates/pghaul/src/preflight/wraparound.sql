-- How near this database is to running out of transaction ids. Columns: none, age.
select null, age(datfrozenxid)
from pg_database
where datname = current_database()
  and age(datfrozenxid) > 1000000000
