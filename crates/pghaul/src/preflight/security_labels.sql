-- Security labels, which need their provider's module on the target. Columns: object, labels.
select quote_ident(provider), count(*) from pg_seclabels group by 1 order by 1
