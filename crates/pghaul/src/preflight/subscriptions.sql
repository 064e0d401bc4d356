-- Subscriptions (10 and newer): changes that somebody else writes here. Columns: object.
select quote_ident(s.subname)
from pg_subscription as s
where s.subdbid = (select oid from pg_database where datname = current_database())
order by 1
